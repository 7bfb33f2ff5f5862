"""Refusals and failures of a (fake) vLLM server, as the vLLM engine reports them."""

from pathlib import Path

import pytest
from fastapi.responses import JSONResponse
from serving.fake_vllm import MODEL as REMOTE_MODEL
from serving.fake_vllm import fake_vllm, refusal
from serving.vllm_jobs import ADAPTERS, MODEL, QUESTION, job, run, text_of

from lorify.errors import BusyError, ClosingError, EngineError, LorifyError, RequestError
from lorify.serving.engines.vllm import VllmEngine

pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")


def test_an_unreachable_server_is_reported_and_used_once_it_is_back(tmp_path: Path) -> None:
    with fake_vllm(MODEL.base) as fake:
        url = fake.url

    async def scenario(engine: VllmEngine) -> str:
        with pytest.raises(EngineError, match="cannot be reached"):
            await text_of(engine, job(ADAPTERS[0]))
        assert not await engine.is_healthy()
        with fake_vllm(MODEL.base, port=int(url.rpartition(":")[2])):
            text = await text_of(engine, job(ADAPTERS[0]))
            assert await engine.is_healthy()
        return text

    assert run(scenario, url, tmp_path) == MODEL.ask(QUESTION, ADAPTERS[0], max_new_tokens=12)


def test_a_server_that_keeps_evicting_an_adapter_is_an_error(tmp_path: Path) -> None:
    async def scenario(engine: VllmEngine) -> None:
        with pytest.raises(EngineError, match=r"refuses: The model `x` does not exist\."):
            await text_of(engine, job(ADAPTERS[0]))

    with fake_vllm(MODEL.base) as fake:
        fake.refusals = [refusal(404, "The model `x` does not exist.") for _ in range(3)]
        run(scenario, fake.url, tmp_path)
        assert len(fake.requests) == 2


def test_a_refusal_has_a_reason_and_a_remedy(tmp_path: Path) -> None:
    async def scenario(engine: VllmEngine) -> None:
        with pytest.raises(EngineError, match=r"greater than max_lora_rank 4\.; start it with --enable-lora"):
            await text_of(engine, job(ADAPTERS[0]))
        await text_of(engine, job())

    with fake_vllm(MODEL.base, max_lora_rank=4) as fake:
        run(scenario, fake.url, tmp_path)


def test_an_adapter_that_cannot_be_written_is_a_server_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    async def scenario(engine: VllmEngine) -> None:
        with pytest.raises(EngineError, match=r"cannot be written for vLLM \(.*\); .* check --adapters-dir"):
            await text_of(engine, job(ADAPTERS[0]))

    with fake_vllm(MODEL.base) as fake:
        run(scenario, fake.url, tmp_path / "file" / "vllm")


def test_an_answer_that_breaks_off_is_an_error(tmp_path: Path) -> None:
    async def scenario(engine: VllmEngine) -> None:
        with pytest.raises(EngineError, match="broke off the answer"):
            await text_of(engine, job())

    with fake_vllm(MODEL.base) as fake:
        fake.breaks_off = True
        run(scenario, fake.url, tmp_path)


@pytest.mark.parametrize(
    "answer, expected, message",
    [
        (refusal(400, "Too long."), RequestError, r"Too long\."),
        (refusal(429, "Full.", Retry_After="7"), BusyError, r"Full\.; try again in 7 s"),
        (refusal(429, "Full.", Retry_After="soon"), BusyError, r"try again in 5 s"),
        (refusal(503, "Not yet."), ClosingError, r"Not yet\.; try again in a moment"),
        (refusal(401, "No key."), EngineError, "VLLM_API_KEY"),
        (JSONResponse([1], 500), EngineError, r"refuses: \[1\]"),
    ],
)
def test_refusals_of_the_server_keep_their_meaning(
    tmp_path: Path, answer: JSONResponse, expected: type[LorifyError], message: str
) -> None:
    async def scenario(engine: VllmEngine) -> LorifyError:
        with pytest.raises(expected, match=message) as raised:
            await text_of(engine, job())
        await text_of(engine, job())
        return raised.value

    with fake_vllm(MODEL.base) as fake:
        fake.refusals = [answer]
        error = run(scenario, fake.url, tmp_path)
    assert type(error) is expected
    assert not isinstance(error, BusyError) or error.retry_after_seconds == (7 if "7" in message else 5)


@pytest.mark.parametrize(
    "sent",
    [
        "data: {bro\n\n",
        "data: 5\n\n",
        'data: {"choices": 5}\n\n',
        'data: {"choices": [{"text": "a", "logprobs": {"tokens": ["a"], "token_logprobs": []}}]}\n\n',
        'data: {"choices": [{"text": "a", "logprobs": {"tokens": ["a"], "token_logprobs": [NaN]}}]}\n\n',
        'data: {"error": ["it", "failed"]}\n\n',
        "<html>not an answer</html>",
        "",
    ],
)
def test_a_malformed_answer_is_an_error(tmp_path: Path, sent: str) -> None:
    async def scenario(engine: VllmEngine) -> None:
        with pytest.raises(EngineError, match=fake.url):
            await text_of(engine, job())

    with fake_vllm(MODEL.base) as fake:
        fake.garbage = sent
        run(scenario, fake.url, tmp_path)


@pytest.mark.parametrize("sent", ["nothing", {"data": 1}, {"data": [{"name": "x"}]}])
def test_a_server_that_is_not_vllm_is_an_error(tmp_path: Path, sent: object) -> None:
    async def scenario(engine: VllmEngine) -> None:
        with pytest.raises(EngineError, match=r"does not respond like a vLLM server \(.*\); check --endpoint"):
            await text_of(engine, job())

    with fake_vllm(MODEL.base) as fake:
        fake.models = sent
        run(scenario, fake.url, tmp_path)


def test_a_server_with_another_base_is_refused(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    message = rf"serves {REMOTE_MODEL}, expected {MODEL.base.name}; start it with that base, or .*vllm\.base_model=NAME"

    async def refused(engine: VllmEngine) -> None:
        assert not await engine.is_healthy()
        with pytest.raises(EngineError, match=message):
            await text_of(engine, job())

    async def ask(engine: VllmEngine) -> str:
        assert await engine.is_healthy()
        return await text_of(engine, job(ADAPTERS[0]))

    with fake_vllm(MODEL.base) as fake:
        fake.root = "/models/another"
        run(refused, fake.url, tmp_path)
        assert f"expected {MODEL.base.name}" in caplog.text and not fake.requests
        for name in (REMOTE_MODEL, "The-Base", "/models/another"):
            assert run(ask, fake.url, tmp_path, base_model=name)
