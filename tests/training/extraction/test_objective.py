"""Training of extractors: data, loss, checkpoints."""

import json
from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file
from tiny_extractor import tiny_extractor_config

from lorify.base.files.locate import DEFAULT_BASE
from lorify.data.examples import Example, Question
from lorify.errors import ExtractorError
from lorify.extraction.extractor import answer_log_probabilities
from lorify.extraction.model import FORMS, ExtractorLogits
from lorify.extraction.storage import load_extractor
from lorify.training.engine.loop import Trainer
from lorify.training.extraction.batches import (
    CHATS,
    PUBLISHED_CHATS,
    UNANSWERABLE,
    VERDICT,
    WRITTEN,
    WRITTEN_CHATS,
    QuestionSampler,
)
from lorify.training.extraction.config import ExtractionTrainingConfig
from lorify.training.extraction.objective import prepare_extraction, span_loss

PLACES = [f"{colour} {thing}" for colour in ("red", "old", "low", "big") for thing in ("mill", "barn", "ferry")]
NAMES = ("Ada Holm", "Bert Ny", "Carla Ek", "Dora Lind", "Emil Strand", "Fia Berg")


def passage(place: str, name: str) -> Example:
    text = f"The {place} opens at nine. The owner of the {place} is {name}. It has a garden."
    return Example((text,), (Question(f"Who owns the {place}?", (name,)),), "places")


PASSAGES = [passage(f"{place} {number}", NAMES[number]) for place in PLACES for number in range(3)]


def config_in(folder, **changes) -> ExtractionTrainingConfig:
    document = {
        "extractor": tiny_extractor_config(folder / "encoder").model_dump(),
        "data": {"facts": 0, "portraits": 0, "questions": 6, "unanswerable_share": 0.25},
        "optimization": {"steps": 6, "warmup_steps": 1, "learning_rate": 0.01, "bf16": False},
        "evaluate_every": 3,
        "checkpoint_every": 2,
    }
    document["data"]["questions_path"] = str(write_questions(folder / "questions.jsonl"))
    for key, value in changes.items():
        document[key] |= value
    return ExtractionTrainingConfig.model_validate(document)


def write_questions(path):
    rows = [
        {"context": each.documents[0], "question": each.questions[0].text, "answers": list(each.questions[0].answers)}
        for each in PASSAGES
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def trainer(config, folder):
    return Trainer(config, prepare_extraction(config, None), folder)


def test_an_extractor_is_trained_and_resumed_alike(tmp_path):
    config = config_in(tmp_path)
    trainer(config, tmp_path / "whole").run(lambda _: None)
    for stop_at in (3, None):
        trainer(config, tmp_path / "parts").run(lambda _: None, stop_at=stop_at)
    whole, parts = (load_extractor(tmp_path / name / "best") for name in ("whole", "parts"))
    for one, other in zip(whole.network.parameters(), parts.network.parameters(), strict=True):
        assert torch.equal(one, other)
    assert whole.config.encoder_digest


def test_training_lowers_the_loss_and_changes_only_the_loras_and_the_head(tmp_path):
    config = config_in(tmp_path, optimization={"steps": 30})
    run = trainer(config, tmp_path / "run")
    before = {name: tensor.clone() for name, tensor in run.objective.module.state_dict().items()}
    first = run.objective.loss(0).loss.item()
    run.run(lambda _: None)
    assert run.objective.loss(0).loss.item() < first - 0.5
    changed = {
        name for name, tensor in run.objective.module.state_dict().items() if not torch.equal(tensor, before[name])
    }
    assert changed and all("lora_" in name or name.startswith(("head.", "form_head.")) for name in changed)


def test_training_computes_what_inference_computes(tmp_path):
    objective = prepare_extraction(config_in(tmp_path, optimization={"bf16": False}), None)
    rows = objective._rows(objective.sampler.batch(0))
    objective.network.train()
    in_training, _ = objective._score(rows)
    objective.network.eval()
    torch.testing.assert_close(in_training, objective._score(rows)[0], atol=1e-5, rtol=1e-5)


def test_a_share_of_the_questions_is_unanswerable(tmp_path):
    sampler = QuestionSampler(config_in(tmp_path), PASSAGES, PASSAGES[:4])
    batches = [sampler.batch(number) for number in range(8)]  # one epoch of 48 questions
    asked = [each for batch in batches for each in batch]
    assert len(asked) == len({(each.question, each.text) for each in asked}) == 48
    unanswerable = [each for each in asked if each.answer is None]
    assert len(unanswerable) == 12 and {each.kind for each in unanswerable} == {UNANSWERABLE}
    answers = {each.questions[0].text: each.questions[0].answers for each in PASSAGES}
    assert not [each for each in unanswerable if f"the {each.question.split()[-1][:-1]} is" in each.text]
    assert all(each.answer in each.text and each.question in answers for each in asked if each.answer is not None)
    assert sampler.batch(3) == QuestionSampler(config_in(tmp_path), PASSAGES, []).batch(3)


def test_generated_documents_are_drawn_beside_passages(tmp_path):
    config = config_in(tmp_path, data={"facts": 2, "portraits": 1, "questions_per_context": 2})
    batch = QuestionSampler(config, PASSAGES, []).batch(0)
    natural, generated = batch[:6], batch[6:]
    assert not {each.kind for each in natural} & {"facts", "portraits"} and {each.kind for each in generated} >= {
        "facts",
        "portraits",
    }
    assert all(each.answer is None or each.answer in each.text for each in generated)
    heldout = QuestionSampler(config, PASSAGES, PASSAGES[:4]).heldout_questions()
    assert {each.kind for each in heldout} >= {"facts", "portraits", "questions"}
    assert not {each.text for each in generated} & {each.text for each in heldout}


def test_a_run_goes_on_from_an_extractor(tmp_path):
    config = config_in(tmp_path)
    trainer(config, tmp_path / "first").run(lambda _: None)
    again = config.model_copy(update={"init_from": tmp_path / "first" / "best"})
    objective = prepare_extraction(again, None)
    learned = load_file(tmp_path / "first" / "best" / "extractor.safetensors")
    for name, weight in objective.network.trained_weights().items():
        torch.testing.assert_close(weight, learned[name].float())
    other = config.model_copy(update={"extractor": config.extractor.model_copy(update={"rank": 2})})
    with pytest.raises(ExtractorError, match=r"has rank 4, not 2; set extractor\.rank to 4"):
        prepare_extraction(other.model_copy(update={"init_from": again.init_from}), None)


def test_verdicts_and_answers_in_other_words_are_learned(tmp_path):
    text = PASSAGES[0].documents[0]
    questions = (
        Question("Does it have a garden?", ("Yes.",)),
        Question("When does it open?", ("It opens at nine o'clock", "always")),
        Question("Who came?", ("Nobody knows",)),
        Question("Who owns it?", ("Mrs Ada Holm", "Ada Holm")),
    )
    config = config_in(tmp_path, data={"questions": 3, "unanswerable_share": 0})
    sampler = QuestionSampler(config, [Example((text,), questions, "x")], [])
    asked = {each.question: each for each in sampler.batch(0)}
    assert {question: each.answer for question, each in asked.items()} == {
        "Does it have a garden?": "yes",
        "When does it open?": "opens at nine",
        "Who owns it?": "Ada Holm",
    }
    objective = prepare_extraction(config, None)
    rows = {row.kind: row for row in objective._rows(list(asked.values()))}
    assert FORMS[rows[VERDICT].form] == "yes" and FORMS[rows["questions"].form] == "words"
    (unanswerable,) = objective._rows([asked["Who owns it?"]._replace(answer=None, kind=UNANSWERABLE)])
    assert unanswerable.form is None and unanswerable.begins == [0]


def test_any_occurrence_of_an_answer_is_right():
    logits = ExtractorLogits(
        torch.tensor([[0.0, 5.0, 5.0, 0.0]]), torch.tensor([[0.0, 0.0, 9.0, 9.0]]), torch.zeros(1, 3)
    )
    allowed = torch.ones(1, 4, dtype=torch.bool)
    found = answer_log_probabilities(logits, allowed)
    begins, ends = torch.tensor([[False, True, True, False]]), torch.tensor([[False, False, True, True]])
    loss, exact = span_loss(found, begins, ends)
    assert exact.tolist() == [True] and loss.item() < 0.05
    only_last = torch.tensor([[False, False, False, True]])
    loss, exact = span_loss(found, begins & only_last, ends & only_last)
    assert exact.tolist() == [False] and loss.item() == float("inf")


def test_answers_are_whole_words_where_there_are_such(tmp_path):
    objective = prepare_extraction(config_in(tmp_path), None)
    asked = objective.sampler.batch(0)[0]._replace(text="In 1933 there were 3 mills, then 13.", answer="3")
    ((_, source, begins, ends, _),) = objective._rows([asked])
    assert [source.offsets[i - source.num_before] for i in (*begins, *ends)] == [(19, 20), (19, 20)]
    ((_, source, begins, ends, _),) = objective._rows([asked._replace(answer="93")])
    assert [source.offsets[i - source.num_before] for i in (*begins, *ends)] == [(4, 5), (5, 6)]


def test_nothing_to_train_on_is_refused(tmp_path):
    with pytest.raises(ValueError, match="there is nothing to train on"):
        config_in(tmp_path, data={"questions": 0})
    assert config_in(tmp_path).base == DEFAULT_BASE


def test_questions_of_a_passage_are_asked_as_chats_too(tmp_path):
    passages = [
        replace(each, questions=(*each.questions, Question(f"When does {where} open?", ("nine",))))
        for each in PASSAGES
        for where in [each.questions[0].text.removeprefix("Who owns ").removesuffix("?")]
    ]
    sampler = QuestionSampler(config_in(tmp_path, data={"chats": 4}), passages, [])
    batches = [sampler.batch(number) for number in range(6)]
    asked = [each for batch in batches for each in batch[6:]]
    assert len(asked) == 24 and {each.kind for each in asked} == {CHATS, UNANSWERABLE}
    assert all(" > " in each.question and each.is_exact for each in asked)
    assert all(each.answer in each.text for each in asked if each.kind == CHATS)
    assert not any(" > " in each.question for batch in batches for each in batch[:6])


def test_any_part_of_an_answer_that_people_gave_in_a_chat_is_right(tmp_path):
    turns = ["Who built it?", "Ada Holm built it", "When?", "In the year 1811", "Why?", "To grind corn", "And?"]
    rows = [
        {"History": ["-", "-", *turns[:end]], "Question": turns[end], "Rewrite": "-", "QuAC_dialog_id": str(number)}
        for number in range(40)
        for end in (2, 4, 6)
    ]
    path = tmp_path / "canard.json"
    path.write_text(json.dumps(rows))
    config = config_in(tmp_path, data={"chats": 4, "follow_ups_path": str(path)})
    objective = prepare_extraction(config, None)
    asked = [
        each
        for number in range(20)
        for each in objective.sampler.batch(number)
        if each.kind == PUBLISHED_CHATS and each.answer == "In the year 1811"
    ]
    assert asked and asked[0].question == "Who built it? Ada Holm built it > When?"
    (row,) = objective._rows(asked[:1])
    tokens = objective.tokenizer.convert_ids_to_tokens([row.source.ids[i] for i in row.begins])
    assert row.begins == row.ends and "".join(tokens).replace("##", "") == "intheyear1811"


def test_written_documents_are_asked_about_alone_and_in_chats(tmp_path):
    sampler = QuestionSampler(config_in(tmp_path, data={"questions": 0, "written": 12}), [], [])
    asked = [each for number in range(20) for each in sampler.batch(number)]
    assert len(asked) == 240
    assert {each.kind for each in asked} == {WRITTEN, WRITTEN_CHATS, UNANSWERABLE, VERDICT}
    assert all(" > " in each.question for each in asked if each.kind == WRITTEN_CHATS)
    assert not any(" > " in each.question for each in asked if each.kind == WRITTEN)
    assert {each.text for each in asked}.isdisjoint(each.text for each in sampler.heldout_questions())
