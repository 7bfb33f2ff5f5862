import json
from dataclasses import replace

import pytest
from tiny import tiny_base
from training.small_tasks import silent

from lorify.adapters.storage import load_adapter
from lorify.errors import ConfigError
from lorify.training.engine.loop import Trainer
from lorify.training.in_prompt.config import PromptTrainingConfig
from lorify.training.preparation import Preparation
from lorify.training.registry import find_training_kind, load_training_config

RUN = {
    "kind": "prompt",
    "base": "tiny",
    "lora": {"modules": ["q_proj", "down_proj"], "rank": 2},
    "data": {"facts": 1, "questions": 1, "questions_per_context": 2},
    "optimization": {"steps": 3, "warmup_steps": 1, "learning_rate": 0.05, "bf16": False},
    "evaluate_every": 3,
    "evaluation_batches": 1,
}


@pytest.fixture
def trained(tmp_path):
    path = tmp_path / "questions.jsonl"
    rows = [
        {"context": f"The {name} mill has {name} wheels and a red roof.", "question": "How many?", "answers": [name]}
        for name in ("one", "two", "three")
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    config = PromptTrainingConfig.model_validate(RUN | {"data": {**RUN["data"], "questions_path": str(path)}})
    base = tiny_base()
    objective = find_training_kind("prompt").prepare(config, Preparation(tmp_path, lambda _name: base, silent))
    progress = []
    Trainer(config, objective, tmp_path / "run").run(progress.append)
    return objective, base, tmp_path / "run" / "best"


def test_the_lora_that_is_saved_is_an_adapter_of_the_base(trained):
    _, base, folder = trained
    adapter = load_adapter(folder)
    adapter.check_base(base)
    assert {module for _, module in adapter.weights} == {"q_proj", "down_proj"}
    assert any(pair.B.abs().max() > 0 for pair in adapter.weights.values())


def test_the_loss_depends_on_the_document_in_the_prompt(trained):
    objective, _, _ = trained
    loss = objective.loss(0).loss.item()
    objective.passages["train"] = [replace(example, documents=("No.",)) for example in objective.passages["train"]]
    assert objective.loss(0).loss.item() != loss


def test_a_run_without_data_is_refused(tmp_path):
    path = tmp_path / "run.json"
    path.write_text(json.dumps({"kind": "prompt", "data": {"facts": 0}}))
    with pytest.raises(ConfigError, match=r"set data\.facts above 0, or data\.questions with data\.questions_path"):
        load_training_config(path)
