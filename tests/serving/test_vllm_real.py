"""lorify with a real vLLM server: adapters are generated here, and vLLM answers with them.

The server starts once. The tests depend on their order: each builds on the previous ones, and the last stops it.
"""

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import httpx2
import openai
import pytest
import torch
from openai import OpenAI
from serving.real_vllm import MAX_LORA_RANK, RealVllm, real_vllm
from serving.running import RunningServer, serving
from serving.waiting import wait_until

import lorify
from lorify import Lorify
from lorify.adapters import Adapter, AdapterLike, AdapterStack, LoraPair
from lorify.adapters.exports.vllm_ranks import needed_rank
from lorify.answering.plan import AnswerRequest
from lorify.base.chat.prompts import build_prompt_ids, question_messages
from lorify.base.decoding.sampling import GenerationOptions
from lorify.base.files.locate import DEFAULT_BASE
from lorify.contexts.documents import document_from_text
from lorify.data.self_generated.pipeline import answer_context
from lorify.data.self_generated.remote_teachers import EndpointTeacher
from lorify.data.self_generated.teachers import LocalTeacher
from lorify.errors import EngineError
from lorify.serving.engines.jobs import Job
from lorify.serving.engines.vllm import VllmEngine, VllmLimits
from lorify.serving.engines.vllm_adapters import content_name, fold
from lorify.serving.settings import ServingSettings

pytestmark = [pytest.mark.vllm, pytest.mark.filterwarnings("ignore::ResourceWarning")]

NEW_TOKENS = 16
MAX_LOADED = 2
TEXTS = {
    "mill": "The Kestrel Mill was founded by Odo Brand in 1892. Its oven is made of blue clay.",
    "ferry": "The ferry Alma leaves the harbour of Tolvik at nine. Her captain is Ruth Okafor.",
    "choir": "The Ostrava Glass Choir was led by Pavel Hrdina. It sang in 17 churches.",
}
QUESTIONS = {
    "mill": "Who founded the Kestrel Mill?",
    "ferry": "Who is the captain of the ferry Alma?",
    "choir": "Who led the Ostrava Glass Choir?",
}


@pytest.fixture(scope="module")
def model() -> Lorify:
    return lorify.load(dtype=torch.float32)


@pytest.fixture(scope="module")
def adapters(model: Lorify) -> dict[str, Adapter]:
    return {name: model.internalize(document_from_text(text, name)) for name, text in TEXTS.items()}


@pytest.fixture(scope="module")
def adapters_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("shared")


@pytest.fixture(scope="module")
def vllm(adapters_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealVllm]:
    with real_vllm(adapters_dir, tmp_path_factory.mktemp("vllm") / "log") as running:
        yield running


@pytest.fixture(scope="module")
def server(model: Lorify, vllm: RealVllm, adapters_dir: Path, tmp_path_factory) -> Iterator[RunningServer]:
    """A server that uses one adapter for all questions."""
    settings = ServingSettings(vllm=VllmLimits(max_loaded=MAX_LOADED))
    engine = VllmEngine(model.base, vllm.url, adapters_dir, settings.vllm)
    folder = tmp_path_factory.mktemp("server")
    with serving(folder, model=model, engine=engine, settings=settings) as running:
        yield running


@pytest.fixture(scope="module")
def focusing(model: Lorify, vllm: RealVllm, adapters_dir: Path, tmp_path_factory) -> Iterator[RunningServer]:
    """A server that focuses the adapter on each question, as the command does."""
    engine = VllmEngine(model.base, vllm.url, adapters_dir, plan=model.answerer.plan)
    with serving(tmp_path_factory.mktemp("focusing"), model=model, engine=engine) as running:
        yield running


@pytest.fixture(scope="module")
def ids(server: RunningServer) -> dict[str, str]:
    """Ids of the adapters created through the server."""
    return internalize_all(server)


def internalize_all(server: RunningServer) -> dict[str, str]:
    adapter_ids = {}
    for name, text in TEXTS.items():
        response = httpx2.post(f"{server.url}/v1/adapters", json={"text": text, "name": name}, timeout=600)
        assert response.status_code == 201, response.text
        adapter_ids[name] = response.json()["id"]
    return adapter_ids


@pytest.fixture(scope="module")
def client(server: RunningServer) -> OpenAI:
    return server.client(timeout=600)


def ask(client: OpenAI, question: str, scales: dict[str, float], **options):
    return client.chat.completions.create(
        model=DEFAULT_BASE,
        messages=[{"role": "user", "content": question}],
        extra_body={"adapters": [{"id": id, "scale": scale} for id, scale in scales.items()]},
        **{"max_tokens": NEW_TOKENS, **options},
    )


def answer_to(client: OpenAI, question: str, scales: dict[str, float]) -> str:
    return ask(client, question, scales).choices[0].message.content


def local_answer(model: Lorify, question: str, row: AdapterLike, *, focus: bool = False) -> str:
    return model.ask(question, row if focus else same_for_all(row), max_new_tokens=NEW_TOKENS)


def same_for_all(row: AdapterLike) -> AdapterLike:
    """Adapters without what they could be focused with."""
    return AdapterStack(tuple((replace(adapter, statistics=None), scale) for adapter, scale in AdapterStack.of(row)))


def shared_name(model: Lorify, adapter: Adapter) -> str:
    """Name of the folder that vLLM loads an adapter from."""
    folded = fold(AdapterStack.of(adapter), model.base)
    assert folded is not None
    return content_name(folded)


@pytest.mark.parametrize("focus", [False, True])
def test_greedy_answers_are_those_of_the_local_engine(
    model: Lorify, server: RunningServer, focusing: RunningServer, adapters, focus: bool
) -> None:
    asked = focusing if focus else server
    client, ids = asked.client(timeout=600), internalize_all(asked)
    wanted: list[tuple[str, dict[str, float]]] = [
        (QUESTIONS["mill"], {}),
        *[(QUESTIONS[name], {name: 1.0}) for name in TEXTS],
        (QUESTIONS["mill"], {"mill": 0.5}),
        *[(QUESTIONS[name], {"mill": 0.7, "ferry": 0.4}) for name in ("mill", "ferry")],
    ]
    answers, expected = [], []
    for question, scales in wanted:
        row = model.combine([(adapters[name], scale) for name, scale in scales.items()]) if scales else None
        expected.append(local_answer(model, question, row, focus=focus))
        answers.append(answer_to(client, question, {ids[name]: scale for name, scale in scales.items()}))
    assert answers == expected
    assert "Odo Brand" not in answers[0]
    if focus:
        assert answers[1:4] == ["Odo Brand", "Ruth Okafor", "Pavel Hrdina"]


def test_focused_adapters_are_removed_after_their_question(vllm: RealVllm, ids) -> None:
    wait_until(lambda: len(vllm.adapters()) <= MAX_LOADED)


def test_vllm_and_the_local_base_give_the_same_teacher_targets(model: Lorify, vllm: RealVllm) -> None:
    here, there = (
        answer_context(teacher, TEXTS["mill"], [QUESTIONS["mill"]], top_k=16, max_new_tokens=NEW_TOKENS)[0]
        for teacher in (LocalTeacher(model.base), EndpointTeacher(f"{vllm.url}/v1", DEFAULT_BASE))
    )
    assert there.answer_ids == here.answer_ids
    assert there.top_ids[:16] == here.top_ids[:16]
    torch.testing.assert_close(torch.tensor(there.top_log_probs), torch.tensor(here.top_log_probs), rtol=0, atol=1e-3)


def test_a_stream_with_logprobs(model: Lorify, client: OpenAI, adapters, ids) -> None:
    expected = local_answer(model, QUESTIONS["mill"], adapters["mill"])
    stream = ask(client, QUESTIONS["mill"], {ids["mill"]: 1.0}, stream=True, logprobs=True, top_logprobs=2)
    choices = [chunk.choices[0] for chunk in stream]
    assert "".join(choice.delta.content or "" for choice in choices) == expected
    logprobs = [token for choice in choices if choice.logprobs for token in choice.logprobs.content]
    assert logprobs and all(token.logprob <= 0 and len(token.top_logprobs) == 2 for token in logprobs)
    assert choices[-1].finish_reason == "stop"


def test_the_least_recently_used_adapter_is_unloaded_and_loaded_again(
    model: Lorify, vllm: RealVllm, client: OpenAI, adapters, ids
) -> None:
    for name in TEXTS:
        answer_to(client, QUESTIONS[name], {ids[name]: 1.0})
    names = {name: shared_name(model, adapters[name]) for name in TEXTS}
    assert set(vllm.adapters()) == {names["ferry"], names["choir"]}
    assert answer_to(client, QUESTIONS["mill"], {ids["mill"]: 1.0}) == local_answer(
        model, QUESTIONS["mill"], adapters["mill"]
    )
    assert set(vllm.adapters()) == {names["choir"], names["mill"]}


def test_vllms_resolver_finds_adapters_without_a_request_to_load_them(
    model: Lorify, vllm: RealVllm, client: OpenAI, adapters, ids
) -> None:
    name = shared_name(model, adapters["ferry"])
    assert name not in vllm.adapters()
    prompt = build_prompt_ids(model.base.tokenizer, question_messages(QUESTIONS["ferry"]))
    request = {"model": name, "prompt": prompt, "max_tokens": NEW_TOKENS, "temperature": 0}
    response = httpx2.post(f"{vllm.url}/v1/completions", json=request, timeout=600)
    expected = local_answer(model, QUESTIONS["ferry"], adapters["ferry"])
    assert response.json()["choices"][0]["text"].strip() == expected
    # lorify asks to load it, and vLLM replies that it is loaded already.
    assert answer_to(client, QUESTIONS["ferry"], {ids["ferry"]: 1.0}) == expected


def test_a_disconnected_client_s_answer_is_cancelled_in_vllm(vllm: RealVllm, client: OpenAI) -> None:
    with ask(client, "Count to one thousand.", {}, max_tokens=900, stream=True, stop=["never"]) as stream:
        next(iter(stream))
    wait_until(lambda: not vllm.num_running(), 120)


def test_an_adapter_of_too_large_a_rank_is_refused_with_a_reason(
    model: Lorify, vllm: RealVllm, server: RunningServer, adapters, tmp_path: Path
) -> None:
    assert needed_rank(adapters["mill"].rank) == MAX_LORA_RANK
    weights = {
        key: LoraPair(torch.cat([pair.A, pair.A]), torch.cat([pair.B, pair.B], dim=1))
        for key, pair in adapters["mill"].weights.items()
    }
    large = replace(adapters["mill"], weights=weights)

    async def scenario() -> None:
        engine = VllmEngine(model.base, vllm.url, tmp_path)
        with pytest.raises(EngineError, match=rf"rank {large.rank} .*--max-lora-rank that is large enough"):
            async with engine.submit(
                Job(AnswerRequest((1, 2, 3), AdapterStack.of(large)), GenerationOptions(1))
            ) as pieces:
                await anext(pieces)
        await engine.drain(0)

    asyncio.run(scenario())


def test_the_command_prints_how_to_start_vllm_and_serves(vllm: RealVllm, adapters_dir: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-c", "from lorify.cli import main; main()", "serve", "--port", "0", "--engine", "vllm"]
    command += ["--endpoint", vllm.url, "--adapters-dir", str(adapters_dir), "--store", str(tmp_path / "store")]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        lines = []
        for line in process.stderr:
            lines.append(" ".join(line.split()))
            if line.startswith("serving "):
                break
        assert f"--max-lora-rank {MAX_LORA_RANK} (default 16)" in " ".join(lines)
        url = lines[-1].split()[3]
        adapter_ids = httpx2.post(f"{url}/v1/adapters", json={"text": TEXTS["mill"]}, timeout=600).json()
        client = OpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0, timeout=600)
        assert "Odo Brand" in answer_to(client, QUESTIONS["mill"], {adapter_ids["id"]: 1.0})
        process.terminate()
        assert process.wait(120) == 0


def test_an_unreachable_server_is_reported(vllm: RealVllm, server: RunningServer, client: OpenAI, ids) -> None:
    vllm.stop()
    with pytest.raises(openai.APIStatusError) as refused:
        ask(client, QUESTIONS["mill"], {ids["mill"]: 1.0})
    assert refused.value.status_code == 502
    assert {"message", "type", "param", "code"} == set(refused.value.body)  # as OpenAI's
    assert "cannot be reached" in refused.value.body["message"]
    assert httpx2.get(f"{server.url}/health", timeout=60).status_code == 503
    adapter_ids = httpx2.post(f"{server.url}/v1/adapters", json={"text": "The Plum Inn has 9 rooms."}, timeout=600)
    assert adapter_ids.status_code == 201
