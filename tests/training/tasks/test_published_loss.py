"""The loss of Text-to-LoRA, computed as its reference implementation does: padded rows, one sequence each."""

import pytest
import torch
from chat_templates import GEMMA_2
from training.small_tasks import SHAPE, lora_config, start, task_config, train

from lorify.adapters import AdapterStack
from lorify.answering.answerer import Answerer
from lorify.answering.plan import Query
from lorify.hypernets.registry import load_specializer
from lorify.hypernets.text_to_lora.library import load_library
from lorify.hypernets.text_to_lora.specializer import task_lora_batch
from lorify.hypernets.text_to_lora.training_config import LoraTrainingConfig
from lorify.training.tasks.sft import TaskObjective

DATA = {
    "prompts": "published",
    "hierarchical": False,
    "task_order": "epochs",
    "heldout_description_share": 0.0,
    "heldout_instance_share": 0.0,
    "instances_per_description": 1,
    "max_instance_tokens": 160,
    "long_instances": "truncate",
}
OPTIMIZATION = {"neftune_alpha": 0.0, "label_smoothing": 0.1, "l2_weight": 0.5}


def smoothed_cross_entropy(log_probabilities: torch.Tensor, target: int, smoothing: float) -> torch.Tensor:
    spread = -log_probabilities.mean()
    return (1 - smoothing) * -log_probabilities[target] + smoothing * spread


def loss_by_hand(objective: TaskObjective, batch: int) -> torch.Tensor:
    """Mean over instances of the mean over answer tokens, plus the mean squares of A and of B, module by module."""
    step = objective.samplers["train"].build(batch)
    embeddings = torch.stack([objective.embeddings[text] for text in step.descriptions])
    weights = objective.hypernetwork(embeddings).weights
    losses = []
    for row, (segment,) in enumerate(step.rows):
        lora = task_lora_batch(objective.hypernetwork_config, objective.hypernetwork(embeddings[row : row + 1]).weights)
        ids = torch.tensor([[*segment.prompt, *segment.answer]])
        with objective.base.hooks.applied(lora):
            logits = objective.base.model(input_ids=ids, use_cache=False).logits[0].float()
        first = len(segment.prompt)
        per_token = [
            smoothed_cross_entropy(logits[first + i - 1].log_softmax(-1), token, 0.1)
            for i, token in enumerate(segment.answer)
        ]
        losses.append(torch.stack(per_token).mean())
    size = sum(stack.A.pow(2).mean() + stack.B.pow(2).mean() for stack in weights.values())
    return torch.stack(losses).mean() + 0.5 * size


def test_the_loss_is_the_published_one(tmp_path, tasks_path):
    objective = start(task_config(tasks_path, data=DATA, optimization=OPTIMIZATION), tmp_path / "run").objective
    objective.hypernetwork.eval()  # without the hypernetwork's own dropout
    with torch.no_grad():
        for head in objective.hypernetwork.heads.values():
            torch.nn.init.normal_(head.weight, std=0.2)
        assert objective.loss(0).loss.item() == pytest.approx(loss_by_hand(objective, 0).item(), rel=1e-5)


def test_lora_dropout_changes_training_but_not_evaluation(tmp_path, tasks_path):
    losses = {}
    for dropout in (0.0, 0.5):
        changes = {"optimization": OPTIMIZATION | {"lora_dropout": dropout}}
        objective = start(task_config(tasks_path, data=DATA, **changes), tmp_path / str(dropout)).objective
        objective.hypernetwork.eval()
        with torch.no_grad():
            for head in objective.hypernetwork.heads.values():
                torch.manual_seed(0)
                torch.nn.init.normal_(head.weight, std=0.2)
            losses[dropout] = (objective.loss(0).loss.item(), objective.evaluate()["loss/seen"])
    assert losses[0.0][0] != losses[0.5][0]
    assert losses[0.0][1] == losses[0.5][1]


def test_hyperdecoders_train_and_generate_from_a_prompt(tmp_path, tasks_path):
    data = DATA | {"adapter_from": "prompt"}
    trainer, seen = train(task_config(tasks_path, data=data, hypernetwork=SHAPE), tmp_path / "run")
    assert len(seen) == 4
    adapter = load_specializer(trainer.objective.base, tmp_path / "run" / "best").specialize("d\n\nsay one")
    assert adapter.rank == 2


@pytest.mark.parametrize("prompts", ["published", "input"])
def test_adapters_are_asked_in_the_chats_that_they_were_trained_in(tmp_path, tasks_path, prompts):
    data = DATA | {"prompts": prompts}
    trainer, _ = train(task_config(tasks_path, data=data, hypernetwork=SHAPE), tmp_path / "run")
    train(lora_config(tasks_path, data=data), tmp_path / "library")
    base = trainer.objective.base
    adapters = [
        load_specializer(base, tmp_path / "run" / "best").specialize("Say one."),
        *load_library(tmp_path / "library" / "best").adapters.values(),
    ]
    answerer = Answerer(base)
    for adapter in adapters:
        stack = AdapterStack.of(adapter)
        ids = answerer.request(Query("say one", stack)).prompt_ids
        system = "<|im_start|>system\n<|im_end|>\n" if prompts == "published" else ""
        assert base.tokenizer.decode(ids) == f"{system}<|im_start|>user\nsay one<|im_end|>\n<|im_start|>assistant\n"
        assert answerer.chat_request([{"role": "user", "content": "say one"}], stack).prompt_ids == ids
    base.tokenizer.chat_template = GEMMA_2
    text = base.tokenizer.decode(answerer.request(Query("say one", AdapterStack.of(adapters[0]))).prompt_ids)
    assert ("<start_of_turn>system\n<end_of_turn>\n<start_of_turn>user\nsay one" in text) == (prompts == "published")


def test_hyperdecoders_are_a_run_of_kind_task_only():
    with pytest.raises(ValueError, match=r"data\.adapter_from prompt is for runs of kind task, not lora"):
        LoraTrainingConfig.model_validate({"data": {"adapter_from": "prompt"}})
