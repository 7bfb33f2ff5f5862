import json

import pytest
import torch
from tiny import tiny_base

from lorify.contexts.documents import document_from_text
from lorify.contexts.features import encode_chunks
from lorify.data.examples import Example, Question
from lorify.errors import TrainingError
from lorify.hypernets.associative.internalizer import AssociativeInternalizer
from lorify.hypernets.associative.kind import ASSOCIATIVE
from lorify.hypernets.associative.reader import Reader
from lorify.hypernets.associative.relevance import Relevance
from lorify.hypernets.associative.training_config import (
    AssociativeData,
    AssociativeOptimization,
    AssociativeSettings,
    AssociativeTrainingConfig,
)
from lorify.training.associative.batches import GeneralAnswer, StepBuilder
from lorify.training.associative.objective import AssociativeObjective
from lorify.training.engine.loop import Progress, Trainer, schedule_factor
from lorify.training.engine.losses import retrieval_loss

PASSAGE = Example(("The mill opens at nine.",), (Question("When does the mill open?", ("nine",)),), "passages")
TEXT = Example(("Ada keeps bees.",), (Question("How does this go on? Ada", ("keeps bees.",)),), "texts")
GENERAL = GeneralAnswer(prompt=(1, 40, 41, 42), answer=(50, 51, 2))


def tiny_config(**optimization) -> AssociativeTrainingConfig:
    return AssociativeTrainingConfig(
        base="tiny",
        hypernetwork=AssociativeSettings(
            first_layer=0,
            last_layer=1,
            rank=8,
            width=16,
            bias_rank=2,
            reading_modules=("q_proj", "v_proj"),
            chunk_tokens=64,
        ),
        data=AssociativeData(
            facts=1,
            questions=1,
            niah=1,
            texts=1,
            niah_min_tokens=120,
            niah_max_tokens=160,
            questions_per_context=2,
            general_probability=0.5,
            distractor_probability=0.5,
        ),
        optimization=AssociativeOptimization(**{"steps": 4, "warmup_steps": 1, "bf16": False, **optimization}),
        evaluate_every=2,
        evaluation_batches=1,
        checkpoint_every=1,
    )


def trainer(folder, config: AssociativeTrainingConfig) -> Trainer:
    base = tiny_base()
    builders = [
        StepBuilder(config, base, passages=[PASSAGE], texts=[TEXT], general=[GENERAL], heldout=heldout)
        for heldout in (False, True)
    ]
    relevance = Relevance(threshold=0.1, unseen_weight=5.0, weights={})
    objective = AssociativeObjective(
        config, base, train_steps=builders[0], heldout_steps=builders[1], relevance=relevance
    )
    return Trainer(config, objective, folder)


def trained_weights(folder, config: AssociativeTrainingConfig, stops: tuple[int | None, ...] = (None,)):
    seen: list[Progress] = []
    for stop in stops:
        current = trainer(folder, config)
        current.run(seen.append, stop_at=stop)
    return current.objective.module.state_dict(), seen


def assert_equal_weights(a, b) -> None:
    for name in a:
        torch.testing.assert_close(a[name], b[name], rtol=0, atol=0)


def test_the_same_seed_gives_the_same_weights_and_a_resumed_run_too(tmp_path):
    config = tiny_config()
    whole, seen = trained_weights(tmp_path / "a", config)
    again, _ = trained_weights(tmp_path / "b", config)
    resumed, seen_in_parts = trained_weights(tmp_path / "c", config, stops=(1, 3, None))
    assert_equal_weights(whole, again)
    assert_equal_weights(whole, resumed)
    assert [p.step for p in seen] == [p.step for p in seen_in_parts] == [1, 2, 3, 4]
    assert [p.metrics["loss"] for p in seen] == [p.metrics["loss"] for p in seen_in_parts]


def test_a_run_leaves_a_best_hypernetwork_curves_and_nothing_half_written(tmp_path):
    trained_weights(tmp_path / "run", tiny_config())
    config, _ = ASSOCIATIVE.load(tmp_path / "run" / "best")
    assert config.base_digest == "llama"
    assert json.loads((tmp_path / "run" / "best.json").read_text())["step"] in (2, 4)
    assert {p.name for p in (tmp_path / "run").iterdir()} == {
        "best",
        "best.json",
        "checkpoint",
        "config.json",
        "curves",
    }


def test_training_lowers_the_loss_on_a_passage(tmp_path):
    config = tiny_config(steps=60, learning_rate=1e-2)
    config = config.model_copy(
        update={
            "data": config.data.model_copy(
                update={"facts": 0, "niah": 0, "texts": 0, "general_probability": 0.0, "distractor_probability": 0.0}
            ),
            "evaluate_every": 60,
            "checkpoint_every": 60,
        }
    )
    _, seen = trained_weights(tmp_path / "run", config)
    assert seen[-1].metrics["loss/questions"] < 0.9 * seen[0].metrics["loss/questions"]


def test_another_config_in_the_same_folder_is_refused(tmp_path):
    trainer(tmp_path / "run", tiny_config())
    with pytest.raises(TrainingError, match="another config"):
        trainer(tmp_path / "run", tiny_config(steps=9))


def test_two_runs_do_not_train_in_one_folder(tmp_path):
    other = trainer(tmp_path / "run", tiny_config())

    def meanwhile(_progress: Progress) -> None:
        with pytest.raises(TrainingError, match=r"another process is training in .*; stop it, wait for it"):
            other.run(lambda _: None)

    trainer(tmp_path / "run", tiny_config()).run(meanwhile, stop_at=1)
    assert other.step == 0
    other.run(lambda _: None, stop_at=1)  # free again
    assert other.step == 1


def test_a_damaged_checkpoint_is_named(tmp_path):
    trained_weights(tmp_path / "run", tiny_config(), stops=(1,))
    path = tmp_path / "run" / "checkpoint" / "state.pt"
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(TrainingError, match="damaged"):
        trainer(tmp_path / "run", tiny_config())


def test_schedule_warms_up_and_ends_at_the_final_ratio():
    optimization = AssociativeOptimization(steps=100, warmup_steps=10, final_learning_rate_ratio=0.1)
    factors = [schedule_factor(step, optimization) for step in range(101)]
    assert factors[0] == pytest.approx(0.1)
    assert max(factors) == pytest.approx(1.0) == pytest.approx(factors[10])
    assert factors[100] == pytest.approx(0.1)


def test_plain_texts_are_learned_from_what_the_base_says_with_the_text_in_its_prompt():
    base = tiny_base()
    step = StepBuilder(tiny_config(), base, passages=[], texts=[TEXT], general=[]).build(0)
    segments = [segment for row in step.rows for segment in row]
    (text,) = [s for s, kind in zip(segments, step.kinds, strict=True) if kind == "texts"]
    assert base.decode_text(text.answer) == "keeps bees."
    assert TEXT.documents[0] in base.decode_text(text.teacher_prompt)
    assert TEXT.documents[0] not in base.decode_text(text.prompt)
    assert all(s.teacher_prompt is None for s in segments if s is not text)


def test_answers_are_placed_where_they_stand_in_the_document():
    step = StepBuilder(tiny_config(), tiny_base(), passages=[PASSAGE], general=[]).build(0)
    placed = 0
    for segment in (s for row in step.rows for s in row):
        for token, where in zip(segment.answer, segment.places, strict=False):
            assert where
            assert all(step.chunks[chunk][index] == token for chunk, index in where)
            placed += 1
    assert placed >= 3


def test_keys_of_a_step_are_found_by_chunk_and_index(tmp_path):
    current = trainer(tmp_path, tiny_config()).objective
    step = current.train_steps.build(0)
    memory = current._read(step)
    shape = current.shape
    for number, chunk in enumerate(step.chunks):
        alone = current.hypernetwork(
            encode_chunks(current.base, [chunk], layers=shape.layers, module=shape.module)
        ).keys
        for index in (1, len(chunk) - 1):
            torch.testing.assert_close(memory.keys[:, memory.place_of_chunk[number] + index], alone[:, 0, index])


def test_a_question_is_focused_in_training_as_it_is_when_asked(tmp_path):
    config = tiny_config()
    current = trainer(tmp_path, config).objective
    current.shape = current.shape.model_copy(update={"reader_width": 8})
    current.hypernetwork.reader = Reader(hidden_size=48, width=8)
    data = config.data.model_copy(update={"focus_probability": 1.0, "distractor_probability": 0.0})
    focusing = config.model_copy(update={"data": data})
    step = StepBuilder(focusing, current.base, passages=[PASSAGE], general=[GENERAL]).build(0)
    hypernetwork = current.hypernetwork.eval()
    internalizer = AssociativeInternalizer(current.base, current.shape, hypernetwork, "tiny", "d1", current.relevance)
    with torch.no_grad():
        memory = current._read(step)
        rows = current._asked(step, memory)
        B = current._written(step, rows, memory)
        assert sum(row.focus is not None for row in rows) == sum(bool(s.question) for row in step.rows for s in row) > 0
        ((place, mill),) = [(n, row) for n, row in enumerate(rows) if "mill" in row.segments[0].question]
        adapter = internalizer.internalize([document_from_text(PASSAGE.documents[0], "passage")])
        (asked,) = internalizer.focused([adapter], [PASSAGE.questions[0].text])
    assert mill.focus.count_nonzero() == len(adapter.statistics[0]["token_words"])
    wanted = torch.stack([asked.weights[layer, "down_proj"].B.T for layer in current.shape.layers])
    torch.testing.assert_close(B[:, place], wanted, rtol=0, atol=0.02 * wanted.abs().max().item())


def test_the_retrieval_loss_is_that_of_choosing_a_place():
    keys = torch.eye(3).unsqueeze(0)  # one block, three tokens
    queries = torch.tensor([[[5.0, 0, 0], [0, 0, 2.0]]])
    right = torch.tensor([[True, False, False], [False, True, True]])
    alike = torch.zeros(2, 3)
    assert retrieval_loss(queries, keys, right, alike).max() < 1e-6
    assert retrieval_loss(queries, keys, right.roll(1, 1), alike)[0] > 25
    # What does not count is no rival.
    assert retrieval_loss(queries, keys, right.roll(1, 1), alike.masked_fill(~right.roll(1, 1), -torch.inf))[0] < 1e-6


def test_a_run_takes_over_what_it_has_in_common_with_an_earlier_hypernetwork(tmp_path):
    plain = tiny_config(steps=2)
    shape = plain.hypernetwork.model_copy(update={"reading_modules": ()})
    trained_weights(tmp_path / "old", plain.model_copy(update={"hypernetwork": shape}))
    _, old = ASSOCIATIVE.load(tmp_path / "old" / "best")
    fewer = plain.hypernetwork.model_copy(update={"first_layer": 1})
    grown = plain.model_copy(update={"hypernetwork": fewer, "init_from": tmp_path / "old" / "best"})
    new = trainer(tmp_path / "new", grown).objective.module
    torch.testing.assert_close(new.query, old.query[1:])
    torch.testing.assert_close(new.surroundings.enter.weight, old.surroundings.enter.weight)
    larger = grown.model_copy(update={"hypernetwork": fewer.model_copy(update={"rank": 9})})
    with pytest.raises(TrainingError, match=r"the config wants .*; set hypernetwork as in its config.json"):
        trainer(tmp_path / "larger", larger)
