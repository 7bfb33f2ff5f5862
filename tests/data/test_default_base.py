"""Documents to shards to training with the default base, which asks, answers and learns."""

import math
from contextlib import nullcontext
from pathlib import Path

import pytest
import torch

from lorify.base.loading import load_base
from lorify.base.model import BaseLM
from lorify.contexts.documents import document_from_text
from lorify.data.self_generated.pipeline import GenerationSettings, generate_self_generated
from lorify.data.self_generated.store import load_self_generated, shard_path
from lorify.data.self_generated.teachers import LocalTeacher
from lorify.data.self_generated.writers import LocalWriter, QuestionWriter
from lorify.errors import EvaluationError
from lorify.facade import Lorify
from lorify.hypernets.doc_to_lora.training_config import PerceiverTrainingConfig
from lorify.hypernets.registry import load_internalizer
from lorify.training.doc_to_lora.objective import prepare_perceiver
from lorify.training.engine.loop import Trainer
from lorify.training.preparation import Preparation

pytestmark = [pytest.mark.shipped, pytest.mark.slow]  # tests/data/self_generated tries each part on a tiny base
TEXTS = (
    "The mill of Torvik was built in 1911 by Nora Quill. It grinds rye, and its wheel is 6 metres wide.",
    "Ada Lund keeps forty hives of bees behind the old school of Askvik. She sells the honey on Saturdays.",
    "The ferry Petrel leaves Holmsund at noon. It carries 27 cars, and the crossing takes 45 minutes.",
)
TOP_K = 8


class Remembering(QuestionWriter):
    """The base, whose questions are kept, as they are the same each time; it may break off."""

    def __init__(self, base: BaseLM) -> None:
        self.writer = LocalWriter(base)
        self.kept: dict[tuple[str, ...], list[str]] = {}
        self.breaks_at: str | None = None

    @property
    def name(self):
        return self.writer.name

    def write(self, context, asked, count):
        if context == self.breaks_at:
            raise EvaluationError("the machine went down")
        key = (context, *asked)
        if key not in self.kept:
            self.kept[key] = self.writer.write(context, asked, count)
        return self.kept[key]


def run(base: BaseLM, writer: QuestionWriter, folder: Path) -> Path:
    settings = GenerationSettings(rounds=2, questions_per_round=1, top_k=TOP_K, max_new_tokens=12, contexts_per_shard=1)
    generate_self_generated(TEXTS, folder, teacher=LocalTeacher(base), writer=writer, settings=settings)
    return folder


def test_three_documents_become_data_that_a_perceiver_is_trained_on(tmp_path):
    base = load_base(dtype=torch.float32)  # bfloat16 rounds, and samples, otherwise on each kind of processor
    writer = Remembering(base)
    writer.breaks_at = TEXTS[2]
    with pytest.raises(EvaluationError, match="went down"):
        run(base, writer, tmp_path / "data")
    assert [shard_path(tmp_path / "data", number).exists() for number in range(3)] == [True, True, False]
    writer.breaks_at = None
    data, whole = run(base, writer, tmp_path / "data"), run(base, writer, tmp_path / "whole")
    for number in range(3):
        assert shard_path(data, number).read_bytes() == shard_path(whole, number).read_bytes()

    examples = load_self_generated(data, base.digest)
    assert [example.documents for example in examples] == [(text,) for text in TEXTS]
    for example in examples:
        first = writer.kept[example.documents[0],]
        assert example.questions[0].text == first[0]
        assert (example.documents[0], *first) in writer.kept  # the second round knew what the first had asked
        for question in example.questions:
            assert question.text.endswith("?") and question.answers[0]
            width = len(question.answer_ids)
            assert len(question.top_ids) == len(question.top_log_probs) == TOP_K * width
            greedy = question.top_ids[::TOP_K][: width - 1]  # the last may be another end of the turn
            assert greedy == question.answer_ids[:-1]
            sums = [sum(map(math.exp, question.top_log_probs[i * TOP_K : (i + 1) * TOP_K])) for i in range(width)]
            assert all(0.2 < total <= 1.001 for total in sums)

    shape = {"encoder": "early_exit", "encoder_layers": 4, "first_layer": 24, "rank": 2, "latent_size": 32}
    shape |= {"num_latents": 12, "num_blocks": 1, "num_heads": 2, "num_kv_heads": 1, "head_size": 16}
    mix = {"niah": 0, "self_generated": 1, "self_generated_path": str(data)}
    config = PerceiverTrainingConfig.model_validate({
        "hypernetwork": shape,
        "data": mix | {"questions_per_context": 2, "batch_contexts": 2},
        "optimization": {"steps": 2, "warmup_steps": 0, "learning_rate": 1e-3, "teacher_top_k": TOP_K},
        "evaluate_every": 2, "evaluation_batches": 1, "checkpoint_every": 2,
    })  # fmt: skip
    perceiver_objective = prepare_perceiver(
        config, Preparation(tmp_path, lambda _: base, lambda *_: nullcontext(lambda *_: None))
    )
    losses = []
    Trainer(config, perceiver_objective, tmp_path / "run").run(
        lambda progress: losses.append(progress.metrics["loss/self-generated"])
    )
    assert len(losses) == 2 and all(0 < loss < 100 for loss in losses)
    model = Lorify(base, load_internalizer(base, tmp_path / "run" / "best"))
    adapter = model.internalize(document_from_text(TEXTS[0]))
    assert isinstance(model.ask(examples[0].questions[0].text, adapter, max_new_tokens=4), str)
