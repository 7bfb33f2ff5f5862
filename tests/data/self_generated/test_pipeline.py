import sys
import threading
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pyarrow.parquet as pq
import pytest
import torch
from data.fake_endpoint import NotServed, chat_completion, serving
from tiny import tiny_base

from lorify.base.chat.prompts import build_prompt_ids, question_messages
from lorify.base.decoding.generation import generate_batch
from lorify.data.self_generated import writers
from lorify.data.self_generated.pipeline import GenerationSettings, Part, generate_self_generated
from lorify.data.self_generated.prompts import LORIFY_PROMPTS, SHORT_ANSWERS
from lorify.data.self_generated.store import SelfGeneratedQuestion, load_self_generated, shard_path
from lorify.data.self_generated.teachers import LocalTeacher
from lorify.data.self_generated.writers import EndpointWriter, LocalWriter, QuestionWriter, VllmWriter
from lorify.data.sources.splits import split_by_passage
from lorify.errors import EvaluationError

SETTINGS = GenerationSettings(rounds=2, questions_per_round=2, top_k=4, max_new_tokens=5, contexts_per_shard=2)
TEXTS = [f"Mill {i} opens at {i} and keeps bees." for i in range(5)]


class Writer(QuestionWriter):
    """Asks two questions a round, one of them again in other letters."""

    name = "scripted"

    def __init__(self, fail_after: int = 10**6) -> None:
        self.calls: list[tuple[str, ...]] = []
        self.fail_after = fail_after

    def write(self, context, asked, count):
        if len(self.calls) == self.fail_after:
            raise EvaluationError("the endpoint is gone")
        self.calls.append(tuple(asked))
        return [f"What is in {context[:6]}, {len(asked)}?", "WHO keeps  bees?"][:count]


@pytest.fixture(scope="module")
def base():
    return tiny_base()


def generate(base, folder: Path, writer=None, report=None, **changes) -> int:
    settings = replace(SETTINGS, **changes)
    return generate_self_generated(
        TEXTS, folder, teacher=LocalTeacher(base), writer=writer or Writer(), settings=settings, report=report
    )


def test_rows_are_the_teachers_greedy_answers_with_its_predictions(base, tmp_path):
    assert generate(base, tmp_path) == 5
    examples = load_self_generated(tmp_path, base.digest)
    assert [example.documents[0] for example in examples] == TEXTS
    assert [q.text for q in examples[1].questions] == [
        "What is in Mill 1, 0?",
        "WHO keeps  bees?",
        "What is in Mill 1, 2?",
    ]
    question = examples[1].questions[0]
    assert isinstance(question, SelfGeneratedQuestion)
    prompt = build_prompt_ids(base.tokenizer, question_messages(question.text, TEXTS[1]))
    with torch.no_grad():
        logits = base.model(torch.tensor([[*prompt, *question.answer_ids]])).logits[0, len(prompt) - 1 : -1]
    values, ids = logits.log_softmax(-1).topk(4)
    assert question.top_ids == tuple(ids.flatten().tolist())
    torch.testing.assert_close(torch.tensor(question.top_log_probs), values.flatten(), rtol=0, atol=1e-4)
    assert question.answer_ids[0] == ids[0, 0]  # greedy


def test_a_run_that_broke_goes_on_and_loses_nothing(base, tmp_path):
    with pytest.raises(EvaluationError, match="endpoint is gone"):
        generate(base, tmp_path, Writer(fail_after=7))
    assert shard_path(tmp_path, 0).exists()
    assert not shard_path(tmp_path, 1).exists()
    (tmp_path / ".shard-00001.parquet.new").write_bytes(b"half")
    before = shard_path(tmp_path, 0).read_bytes()
    writer = Writer()
    generate(base, tmp_path, writer)
    assert len(writer.calls) == 2 * 3  # the contexts that were not in the whole shard
    assert shard_path(tmp_path, 0).read_bytes() == before
    generate(base, tmp_path / "whole")
    assert list(load_self_generated(tmp_path)) == list(load_self_generated(tmp_path / "whole"))


@pytest.mark.parametrize("damage", [lambda shard: shard.unlink(), lambda shard: shard.write_bytes(b"half of it")])
def test_a_missing_or_damaged_shard_is_made_anew_and_no_other(base, tmp_path, damage):
    generate(base, tmp_path)
    shards = [shard_path(tmp_path, number) for number in range(3)]
    before = [(shard.read_bytes(), shard.stat().st_mtime_ns) for shard in shards]
    damage(shards[1])
    writer, reported = Writer(), []
    generate(base, tmp_path, writer, report=lambda done, total: reported.append((done, total)))
    assert len(writer.calls) == 2 * 2  # two rounds about the two contexts of the shard
    assert [shard.read_bytes() for shard in shards] == [content for content, _ in before]
    assert [shards[i].stat().st_mtime_ns == before[i][1] for i in range(3)] == [True, False, True]
    assert sum(done for done, _ in reported) == 5 and {total for _, total in reported} == {5}


def test_stored_contexts_are_read_one_by_one_and_split_as_passages_are(base, tmp_path):
    generate(base, tmp_path)
    stored = load_self_generated(tmp_path, base.digest)
    assert [stored[i] for i in range(5)] == list(stored) and stored[-1] == list(stored)[-1]
    assert list(stored[1:3]) == list(stored)[1:3]
    train, heldout = stored.split()
    assert [list(train), list(heldout)] == [*split_by_passage(list(stored))]
    shard_path(tmp_path, 2).write_bytes(b"damaged later")
    assert stored[0].documents == (TEXTS[0],)
    with pytest.raises(EvaluationError, match=r"shard-00002\.parquet is damaged"):
        stored[4]


def test_questions_can_ask_for_short_answers_in_words_that_stay_the_same(base, tmp_path):
    writer = Writer()
    generate(base, tmp_path / "long")
    for folder in ("short", "again"):
        generate(base, tmp_path / folder, writer, short_answers=True)
    long, short, again = (list(load_self_generated(tmp_path / folder)) for folder in ("long", "short", "again"))
    assert short == again
    for one, other in zip(long, short, strict=True):
        for question, in_short in zip(one.questions, other.questions, strict=True):
            request, _, asked = in_short.text.partition("\n\n")
            assert request in SHORT_ANSWERS and asked == question.text
    assert not any(request in question for call in writer.calls for question in call for request in SHORT_ANSWERS)
    with pytest.raises(EvaluationError, match="generated with short_answers True, not False"):
        generate(base, tmp_path / "short")


def test_documents_that_come_twice_are_asked_about_once(base, tmp_path):
    writer = Writer()
    number = generate_self_generated(
        ["A mill.", " a  MILL. ", "", "A boat."],
        tmp_path,
        teacher=LocalTeacher(base),
        writer=writer,
        settings=GenerationSettings(max_new_tokens=2, top_k=1),
    )
    assert number == 2
    assert len(writer.calls) == 2


def test_other_settings_bases_and_damage_are_refused(base, tmp_path):
    generate(base, tmp_path)
    with pytest.raises(EvaluationError, match="generated with top_k 4, not 8"):
        generate(base, tmp_path, top_k=8)
    with pytest.raises(EvaluationError, match="the teacher must be the base itself"):
        load_self_generated(tmp_path, "another")
    shard = shard_path(tmp_path, 1)
    shard.write_bytes(shard.read_bytes()[:100])
    with pytest.raises(EvaluationError, match=r"shard-00001\.parquet is damaged"):
        load_self_generated(tmp_path)
    with pytest.raises(EvaluationError, match="no self-generated data"):
        load_self_generated(tmp_path / "nothing")


def test_questions_are_found_in_what_a_model_writes():
    text = "Sure!\n**Question 1:** Who keeps bees?\nAnswer 1: Ada\n- Question 2. When does it open\n"
    assert LORIFY_PROMPTS.parse_questions("", text) == ["Who keeps bees?", "When does it open?"]


def test_a_local_base_is_asked(base):
    (question,) = LocalWriter(base).write("A mill.", [], 1)  # of random letters
    assert question.endswith("?")
    assert LocalWriter(base).write("A mill. " * 200, [], 3) == []  # longer than the window


def test_a_local_base_writes_about_several_contexts_at_a_time_as_about_each_alone(base, monkeypatch):
    base.window_tokens = 2000
    contexts, earlier = ["A mill.", "A mill. " * 300, "A lake by the mill."], [[], [], ["Where is the lake?"]]
    alone = [LocalWriter(base).write(*pair, 1) for pair in zip(contexts, earlier, strict=True)]
    batches: list[int] = []

    def counting(base, prompts, *arguments, **options):
        batches.append(len(prompts))
        return generate_batch(base, prompts, *arguments, **options)

    monkeypatch.setattr(writers, "generate_batch", counting)
    assert LocalWriter(base).write_all(contexts, earlier, 1) == alone
    assert batches == [2] and alone[0] and alone[2] and not alone[1]  # the long one leaves no room


def test_an_endpoint_is_asked():
    asked = []

    def reply(path: str, body: dict) -> dict:
        asked.append((path, body))
        if body["model"] != "m":
            raise NotServed
        return chat_completion("Question 1: Who keeps bees?")

    with serving(reply) as url:
        assert EndpointWriter(url, "m").write("A mill.", ["What is it?"], 3) == ["Who keeps bees?"]
        with pytest.raises(EvaluationError, match="did not write questions"):
            EndpointWriter(url, "unknown").write("A mill.", [], 3)
    path, body = asked[0]
    assert path == "/v1/chat/completions"
    assert "- What is it?" in body["messages"][0]["content"]


def test_an_endpoint_is_asked_about_several_contexts_at_a_time():
    all_there = threading.Barrier(3)

    def reply(_path: str, body: dict) -> dict:
        all_there.wait(timeout=20)  # breaks if they come one after the other
        return chat_completion(f"Question 1: What is {body['messages'][0]['content'][-6:]}?")

    with serving(reply) as url:
        found = EndpointWriter(url, "m").write_all(["Mill 1", "Mill 2", "Mill 3"], [[], [], []], 2)
    assert found == [["What is Mill 1?"], ["What is Mill 2?"], ["What is Mill 3?"]]


def test_without_vllm_there_is_a_way_out():
    with pytest.raises(EvaluationError, match=r"need the package vllm.*pip install vllm"):
        VllmWriter("google/gemma-3-12b-it")


def test_vllm_asks_about_a_whole_shard_at_once(base, tmp_path, monkeypatch):
    batches = []

    class Engine:
        def __init__(self, model, gpu_memory_utilization):
            assert model == "somebody/writer"

        def chat(self, chats, _sampling, use_tqdm):
            batches.append(len(chats))
            texts = [f"Question 1: What does {chat[0]['content'][-30:-24]} keep?" for chat in chats]
            return [SimpleNamespace(outputs=[SimpleNamespace(text=text)]) for text in texts]

    monkeypatch.setitem(sys.modules, "vllm", SimpleNamespace(LLM=Engine, SamplingParams=lambda **_: None))
    assert generate(base, tmp_path, VllmWriter("somebody/writer"), rounds=1) == 5
    assert batches == [2, 2, 1]
    assert len(load_self_generated(tmp_path)[0].questions) == 1


def test_a_folder_of_folders_is_one_set(base, tmp_path):
    generate(base, tmp_path / "squad")
    generate(base, tmp_path / "pwc")
    assert len(load_self_generated(tmp_path, base.digest)) == 2 * len(load_self_generated(tmp_path / "pwc"))


def test_the_published_way_drops_answers_that_are_cut(base, tmp_path):
    generate(base, tmp_path / "own", max_new_tokens=2)
    kept = [q for example in load_self_generated(tmp_path / "own") for q in example.questions]
    assert any(len(q.answer_ids) == 2 and q.answer_ids[-1] not in base.stop_ids for q in kept)
    generate(base, tmp_path / "published", max_new_tokens=2, prompts="published")
    shards = sorted((tmp_path / "published").glob("shard-*.parquet"))
    assert len(shards) == 3
    for row in (row for shard in shards for row in pq.read_table(shard).to_pylist()):
        assert row["answer_ids"][-1] in base.stop_ids


def test_parts_fill_one_folder_and_later_parts_extend_it(base, tmp_path):
    def generate_part(offset: int, stop: int, *, is_last: bool = False) -> int:
        part = Part("mills", offset, is_last)
        return generate_self_generated(
            TEXTS[offset:stop], tmp_path, teacher=LocalTeacher(base), writer=Writer(), settings=SETTINGS, part=part
        )

    assert generate_part(2, 4) == 2
    assert [path.name for path in sorted(tmp_path.glob("*.parquet"))] == ["shard-00001.parquet"]
    generate_part(0, 2)
    generate_part(4, 5, is_last=True)
    assert [example.documents[0] for example in load_self_generated(tmp_path)] == TEXTS
    with pytest.raises(EvaluationError, match=r"contexts 1 to 3 are not whole shards; give multiples of 2"):
        generate_part(1, 3)


def test_a_large_batch_answers_the_questions_of_several_contexts_alike(base, tmp_path):
    generate(base, tmp_path / "small")
    generate_self_generated(
        TEXTS, tmp_path / "large", teacher=LocalTeacher(base, 32), writer=Writer(), settings=SETTINGS
    )
    for one, other in zip(
        load_self_generated(tmp_path / "small"), load_self_generated(tmp_path / "large"), strict=True
    ):
        assert [q.answers for q in one.questions] == [q.answers for q in other.questions]
