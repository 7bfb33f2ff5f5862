import json

import pytest
import torch
from pydantic import ValidationError
from tiny import tiny_base
from tiny_internalizer import INTERNALIZER

from lorify.data.examples import Example, Question
from lorify.errors import TrainingError
from lorify.hypernets.associative.kind import ASSOCIATIVE, save_associative
from lorify.hypernets.associative.reader_training_config import ReaderData, ReaderTrainingConfig
from lorify.hypernets.registry import load_internalizer
from lorify.hypernets.relevance import Relevance
from lorify.hypernets.training_config import Optimization
from lorify.training.engine.loop import Trainer
from lorify.training.engine.state_cache import StateCache
from lorify.training.preparation import Preparation
from lorify.training.reader import contexts
from lorify.training.reader.batches import ContextSampler
from lorify.training.reader.objective import ReaderObjective, prepare_reader

PASSAGE = Example(
    ("The mill opens at nine. Ada keeps bees, and the bees like clover. Nobody counts them at nine.",),
    (
        Question("When does the mill open?", ("nine",)),
        Question("What does Ada keep?", ("bees",)),
        Question("Is it so?", ("Yes",)),
    ),
    "passages",
)
RELEVANCE = Relevance(threshold=0.1, unseen_weight=5.0, weights={})


def config(folder, **optimization) -> ReaderTrainingConfig:
    return ReaderTrainingConfig(
        base="tiny",
        init_from=folder,
        width=8,
        data=ReaderData(facts=1, questions=1, niah=1, questions_per_context=2, max_facts=2, niah_max_tokens=60),
        optimization=Optimization(**{"steps": 3, "warmup_steps": 1, "bf16": False, **optimization}),
        evaluate_every=3,
        checkpoint_every=1,
    )


def objective(run: ReaderTrainingConfig, passages=(PASSAGE,), heldout=(PASSAGE,)) -> ReaderObjective:
    hypernetwork_config, hypernetwork = ASSOCIATIVE.load(run.init_from)
    states = StateCache(run.init_from.parent / "states.sqlite", "tiny")
    sampler = ContextSampler(run, passages, heldout)
    return ReaderObjective(run, tiny_base(), hypernetwork_config, hypernetwork, RELEVANCE, states, sampler)


@pytest.fixture
def hypernetwork(tmp_path):
    save_associative(tmp_path / "start", INTERNALIZER.config, INTERNALIZER.hypernetwork, relevance=RELEVANCE)
    return tmp_path / "start"


def test_a_trained_reader_is_saved_with_the_hypernetwork_that_was_not_trained(hypernetwork, tmp_path):
    run = config(hypernetwork)
    current = objective(run)
    Trainer(run, current, tmp_path / "run").run(lambda _: None)
    before, after = (ASSOCIATIVE.load(folder)[1].state_dict() for folder in (hypernetwork, tmp_path / "run" / "best"))
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert changed
    assert all(name.startswith("reader.") for name in changed)
    internalizer = load_internalizer(tiny_base(), tmp_path / "run" / "best")
    torch.testing.assert_close(
        internalizer.hypernetwork.reader.out.weight, current.reader.out.weight, atol=1e-2, rtol=0
    )
    assert internalizer.relevance == RELEVANCE


def test_a_resumed_run_gives_the_same_reader(hypernetwork, tmp_path):
    run = config(hypernetwork)
    whole, parts = objective(run), objective(run)
    Trainer(run, whole, tmp_path / "whole").run(lambda _: None)
    Trainer(run, parts, tmp_path / "parts").run(lambda _: None, stop_at=1)
    resumed = objective(run)
    Trainer(run, resumed, tmp_path / "parts").run(lambda _: None)
    for name, tensor in whole.reader.state_dict().items():
        torch.testing.assert_close(resumed.reader.state_dict()[name], tensor, rtol=0, atol=0)


def test_training_finds_the_answers_of_a_passage(hypernetwork, tmp_path):
    run = config(hypernetwork, steps=80, learning_rate=2e-2)
    run = run.model_copy(update={"data": run.data.model_copy(update={"facts": 0, "niah": 0}), "evaluate_every": 80})
    current = objective(run)
    seen = []
    Trainer(run, current, tmp_path / "run").run(lambda progress: seen.append(progress.metrics["exact/questions"]))
    assert seen[-1] == 1.0


def test_states_of_the_base_are_kept_across_runs(hypernetwork, monkeypatch):
    run = config(hypernetwork).model_copy(update={"dropout": 0.0})
    first = objective(run)
    first.loss(0)
    resumed = objective(run)
    monkeypatch.setattr(contexts, "encode_chunks", lambda *_, **__: pytest.fail("a text is encoded again"))
    assert resumed.loss(0).metrics == first.loss(0).metrics


def test_states_are_those_of_the_text_and_of_whom_they_are_said_to_be(tmp_path):
    texts = [[1, 2], [1, 2, 3], [1, 2]]
    states = StateCache(tmp_path / "states.sqlite", "one")
    seen = []

    def compute(asked):
        seen.extend(asked)
        return [torch.arange(2.0 * len(text)).view(len(text), 2) + len(seen) for text in asked]

    found = states.states(texts, compute)
    assert seen == [[1, 2], [1, 2, 3]]
    assert [x.shape[0] for x in found] == [2, 3, 2]
    assert all(torch.equal(a, b) for a, b in zip(found, states.states(texts, compute), strict=True))
    assert seen == [[1, 2], [1, 2, 3]]
    StateCache(tmp_path / "states.sqlite", "other").states([[1, 2]], compute)
    assert seen[2:] == [[1, 2]]


def test_a_damaged_file_of_states_is_named(tmp_path):
    (tmp_path / "states.sqlite").write_bytes(b"no database, but long enough to be taken for one" * 100)
    states = StateCache(tmp_path / "states.sqlite", "one")
    with pytest.raises(TrainingError, match="delete the file"):
        states.states([[1]], lambda _: [])


def test_dropout_is_off_on_heldout_contexts(hypernetwork):
    current = objective(config(hypernetwork).model_copy(update={"dropout": 0.5}))
    current.loss(0)
    assert current.evaluate() == current.evaluate()


def test_answers_begin_after_the_tokens_that_come_before_them(hypernetwork):
    current = objective(config(hypernetwork))
    context = current.contexts.load("questions", 0)
    following = torch.cat([ids[1:] for ids in context.ids])
    assert len(following) == len(context.words)
    assert len(context.questions) == 2, "the third answer does not occur in the passage"
    for question, text in zip(context.questions, ("nine", "bees"), strict=True):
        wanted = current.base.encode_text(f" {text}")
        assert len(question.begins) == 2
        for begin in question.begins:
            assert following[begin : begin + question.answer_tokens].tolist() == wanted


def test_a_reader_needs_a_hypernetwork_with_word_weights(tmp_path):
    with pytest.raises(ValidationError, match="set init_from to its folder"):
        ReaderTrainingConfig()
    save_associative(tmp_path / "start", INTERNALIZER.config, INTERNALIZER.hypernetwork)
    preparation = Preparation(tmp_path / "run", lambda _: tiny_base(), counting=None)
    with pytest.raises(TrainingError, match=r"has no relevance\.json"):
        prepare_reader(config(tmp_path / "start"), preparation)


def test_a_new_width_starts_a_new_reader_and_the_same_width_continues(hypernetwork):
    run = config(hypernetwork)
    same = objective(run).reader.out.weight
    torch.testing.assert_close(same, INTERNALIZER.hypernetwork.reader.out.weight, atol=1e-2, rtol=0)
    wider = objective(run.model_copy(update={"width": 16}))
    assert wider.reader.out.in_features == wider.hypernetwork_config.reader_width == 16
    assert json.loads(wider.hypernetwork_config.model_dump_json())["reader_width"] == 16


def test_questions_that_a_context_does_not_answer_are_trained_on_and_evaluated(hypernetwork):
    passages = [
        Example(
            (
                f"The {name} mill opens at nine. Ada keeps bees, and the bees like clover. It stands beside the river, "
                f"and people work in it every day of the year. Its owner is called {name}son, as his father was.",
            ),
            (Question(f"Who owns the {name} mill?", (f"{name}son",)),),
            "mills",
        )
        for name in ("Bo", "Cy", "Di")
    ]
    run = config(hypernetwork)
    data = run.data.model_copy(update={"unanswerable_questions": 2, "portraits": 1})
    current = objective(run.model_copy(update={"data": data}), passages, passages)
    assert {name for name in current.loss(0).metrics if name.startswith("exact/")} >= {
        "exact/facts",
        "exact/questions",
        "exact/unanswerable",
    }
    assert "exact/unanswerable" in current.evaluate()
    for number, passage in enumerate(passages):
        (swapped,) = current.contexts.load("questions", number).unanswerable
        assert swapped.ids.tolist() != current.contexts.load("questions", number).questions[0].ids.tolist()
        (deleted,) = current.contexts.load("deleted", number).unanswerable
        assert current.base.decode_text(deleted.ids[-4:].tolist()).strip().endswith(passage.questions[0].text[-4:])
        assert not current.contexts.load("deleted", number).questions
    plain = objective(run, passages, passages)
    assert not any("unanswerable" in name for name in plain.loss(0).metrics)
