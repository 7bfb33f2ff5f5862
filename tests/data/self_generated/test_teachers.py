"""Wherever the base answers, the data is the same."""

import sys
import threading
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from data.fake_endpoint import NotServed, serving
from tiny import tiny_model, tiny_tokenizer

from lorify.base.chat.prompts import build_prompt_ids, question_messages
from lorify.base.loading import load_base
from lorify.base.model import BaseLM
from lorify.data.self_generated.pipeline import GenerationSettings, generate_self_generated
from lorify.data.self_generated.remote_teachers import EndpointTeacher, VllmTeacher
from lorify.data.self_generated.store import load_self_generated, read_record
from lorify.data.self_generated.teachers import LocalTeacher, Teacher, TeacherAnswer
from lorify.errors import EvaluationError

TEXTS = [f"Mill {i} opens at {i} and keeps bees." for i in range(3)]
TOP_K = 4
_one_at_a_time = threading.Lock()  # the fake endpoint answers by a base in this process


class Writer:
    name = "scripted"

    def write_all(self, contexts, asked, count):
        return [[f"Who keeps bees in {context[:6]}?", "When?"] for context in contexts]


@pytest.fixture(scope="module")
def base_dir(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("base") / "tiny"
    tiny_model().save_pretrained(folder)
    tiny_tokenizer().save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def base(base_dir) -> BaseLM:
    return load_base(str(base_dir), dtype=torch.float32)


def answer(base: BaseLM, prompt: list[int], *, logprobs: int, max_tokens: int) -> tuple[TeacherAnswer, list[dict]]:
    """An answer, and its predictions as servers give them: one more than asked for, the likeliest not first."""
    (found,) = LocalTeacher(base).answer([prompt], top_k=logprobs + 1, max_new_tokens=max_tokens)
    pairs = list(zip(found.top_ids, found.top_log_probs, strict=True))
    width = logprobs + 1
    return found, [dict(reversed(pairs[start : start + width])) for start in range(0, len(pairs), width)]


def generate(teacher: Teacher, folder: Path, *, max_new_tokens: int = 5) -> Path:
    settings = GenerationSettings(top_k=TOP_K, max_new_tokens=max_new_tokens)
    generate_self_generated(TEXTS, folder, teacher=teacher, writer=Writer(), settings=settings)
    return folder


def assert_as_here(base: BaseLM, teacher: Teacher, folder: Path) -> None:
    """The same record and rows as the base gives in this process, for answers that end and answers that are cut."""
    for max_new_tokens in (5, 120):
        there = generate(teacher, folder / f"there-{max_new_tokens}", max_new_tokens=max_new_tokens)
        here = generate(LocalTeacher(base), folder / f"here-{max_new_tokens}", max_new_tokens=max_new_tokens)
        assert read_record(there) == read_record(here)
        found, wanted = load_self_generated(there, base.digest), load_self_generated(here, base.digest)
        assert len(found) == 3
        for one, other in zip(found, wanted, strict=True):
            assert one.documents == other.documents
            for question, same in zip(one.questions, other.questions, strict=True):
                assert question == same


def test_vllm_gives_what_the_base_gives_here(base_dir, base, tmp_path, monkeypatch):
    asked = []

    class Engine:
        def __init__(self, model, gpu_memory_utilization):
            assert model == str(base_dir)

        def generate(self, prompts, sampling, use_tqdm):
            asked.append(len(prompts))
            if sampling.logprobs > 20:
                raise ValueError("Requested sample logprobs of 30, which is greater than max allowed: 20")
            return [self.output(prompt["prompt_token_ids"], sampling) for prompt in prompts]

        def output(self, prompt, sampling):
            found, steps = answer(base, prompt, logprobs=sampling.logprobs, max_tokens=sampling.max_tokens)
            reason = "stop" if found.ids[-1] in sampling.stop_token_ids else "length"
            logprobs = [{token: SimpleNamespace(logprob=p) for token, p in step.items()} for step in steps]
            completion = SimpleNamespace(token_ids=list(found.ids), logprobs=logprobs, finish_reason=reason)
            return SimpleNamespace(outputs=[completion])

    sampling = lambda **options: SimpleNamespace(**options)  # noqa: E731
    monkeypatch.setitem(sys.modules, "vllm", SimpleNamespace(LLM=Engine, SamplingParams=sampling))
    teacher = VllmTeacher(str(base_dir))
    assert_as_here(base, teacher, tmp_path)
    assert asked == [6, 6]  # all questions about a shard at once
    with pytest.raises(EvaluationError, match=r"vLLM did not answer with 30 predictions per token \(Requested"):
        teacher.answer([[5, 6]], top_k=30, max_new_tokens=2)


def test_without_vllm_there_is_a_way_out(base_dir):
    with pytest.raises(EvaluationError, match=r"need the package vllm.*--teacher URL"):
        VllmTeacher(str(base_dir))


def completion(base: BaseLM, body: dict) -> dict:
    """As vLLM answers a prompt of token ids, when it is told to give token ids."""
    assert body["return_tokens_as_token_ids"] and body["temperature"] == 0
    with _one_at_a_time:
        found, steps = answer(base, body["prompt"], logprobs=body["logprobs"], max_tokens=body["max_tokens"])
    reason = "stop" if found.ids[-1] in body["stop_token_ids"] else "length"
    logprobs = {
        "tokens": [f"token_id:{token}" for token in found.ids],
        "token_logprobs": [max(step.values()) for step in steps],
        "top_logprobs": [{f"token_id:{token}": value for token, value in step.items()} for step in steps],
        "text_offset": [0] * len(steps),
    }
    choice = {"index": 0, "text": "", "finish_reason": reason, "logprobs": logprobs}
    return {"id": "1", "object": "text_completion", "created": 0, "model": "m", "choices": [choice]}


def models(*names: str) -> dict:
    listed = [{"id": name, "object": "model", "created": 0, "owned_by": "us"} for name in names]
    return {"object": "list", "data": listed}


def test_an_endpoint_gives_what_the_base_gives_here(base_dir, base, tmp_path):
    asked = []

    def reply(path: str, body: dict) -> dict:
        if path == "/v1/models":
            return models("served/base")
        asked.append(body["model"])
        return completion(base, body)

    with serving(reply) as url:
        assert_as_here(base, EndpointTeacher(url, str(base_dir)), tmp_path)
    assert asked == ["served/base"] * 12


def test_an_endpoint_that_serves_other_models(base_dir):
    with (
        serving(lambda *_: models("one", "two")) as url,
        pytest.raises(EvaluationError, match=r"serves one, two, expected .*tiny; serve the base under that name"),
    ):
        EndpointTeacher(url, str(base_dir))


def without_predictions(body_of_answer: dict) -> None:
    body_of_answer["choices"][0]["logprobs"] = None


def as_texts(body_of_answer: dict) -> None:
    logprobs = body_of_answer["choices"][0]["logprobs"]
    logprobs["tokens"] = ["the"] * len(logprobs["tokens"])


def with_too_few(body_of_answer: dict) -> None:
    logprobs = body_of_answer["choices"][0]["logprobs"]
    logprobs["top_logprobs"] = [dict(list(step.items())[:2]) for step in logprobs["top_logprobs"]]


def without_the_end(body_of_answer: dict) -> None:
    body_of_answer["choices"][0]["finish_reason"] = "stop"
    body_of_answer["choices"][0]["logprobs"]["tokens"][-1] = "token_id:9"


@pytest.mark.parametrize(
    ("spoil", "problem"),
    [
        (without_predictions, r"returned no log-probabilities; the server must return 4 per token"),
        (as_texts, r"returned the token 'the' as text, expected a token id; .* return_tokens_as_token_ids"),
        (with_too_few, r"returned 2 predictions per token, expected 4; .*--max-logprobs"),
        (without_the_end, r"omitted the token that ends an answer"),
    ],
)
def test_incomplete_answers_of_servers_are_refused(base_dir, base, spoil, problem):
    def reply(path: str, body: dict) -> dict:
        if path == "/v1/models":
            return models("m")
        body_of_answer = completion(base, body)
        spoil(body_of_answer)
        return body_of_answer

    prompt = build_prompt_ids(base.tokenizer, question_messages("Who?"))
    with serving(reply) as url, pytest.raises(EvaluationError, match=problem):
        EndpointTeacher(url, str(base_dir)).answer([prompt], top_k=TOP_K, max_new_tokens=3)


def test_an_endpoint_that_fails_loses_no_whole_shard(base_dir, base, tmp_path):
    def reply(path: str, body: dict) -> dict:
        if path == "/v1/models":
            return models("m")
        if TEXTS[2] in base.decode_text(body["prompt"]):
            raise NotServed
        return completion(base, body)

    settings = GenerationSettings(top_k=TOP_K, max_new_tokens=5, contexts_per_shard=2)
    with serving(reply) as url:
        teacher = EndpointTeacher(url, str(base_dir))
        with pytest.raises(EvaluationError, match=r"did not answer a question .*finished shards are kept"):
            generate_self_generated(TEXTS, tmp_path, teacher=teacher, writer=Writer(), settings=settings)
    generate_self_generated(TEXTS, tmp_path, teacher=LocalTeacher(base), writer=Writer(), settings=settings)
    assert [example.documents[0] for example in load_self_generated(tmp_path)] == TEXTS
