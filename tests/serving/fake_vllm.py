"""A fake vLLM server that loads PEFT folders from disk and answers with them, or misbehaves on demand."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import uvicorn
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response, StreamingResponse
from serving.waiting import wait_until

from lorify.adapters import Adapter, build_lora_batch
from lorify.adapters.exports.peft import CONFIG_NAME, import_peft
from lorify.base.decoding.generation import generate_batch
from lorify.base.decoding.sampling import GenerationOptions
from lorify.base.model import BaseLM

MODEL = "org/the-base"


class FakeVllm:
    """State and behaviour of the fake server."""

    def __init__(self, base: BaseLM, max_lora_rank: int) -> None:
        self.base = base
        self.max_lora_rank = max_lora_rank
        self.loaded: dict[str, Adapter] = {}
        self.requests: list[dict] = []
        self.root = f"/models/{base.name}"
        self.breaks_off = False
        self.refusals: list[JSONResponse] = []  # responses to the next completions
        self.unload_refusals: list[JSONResponse] = []
        self.garbage: str | None = None  # sent instead of a completion
        self.models: object = None  # sent instead of the list of models
        self.key: str | None = None
        self.loading: Callable[[], None] = lambda: None
        self.url = ""

    def load(self, name: str, folder: Path) -> JSONResponse:
        self.loading()
        if name in self.loaded:
            return refusal(400, f"The lora adapter '{name}' has already been loaded.")
        config = json.loads((folder / CONFIG_NAME).read_text())
        if config["r"] > self.max_lora_rank:
            return refusal(400, f"LoRA rank {config['r']} is greater than max_lora_rank {self.max_lora_rank}.")
        assert config["base_model_name_or_path"] == self.root and folder.name == name  # vLLM's resolver relies on both
        # vLLM applies one scaling to the whole adapter.
        assert not config["rank_pattern"] and config["lora_alpha"] == config["r"]
        self.loaded[name] = import_peft(folder, self.base)
        return JSONResponse("Success")

    def answer(self, body: dict) -> Iterator[str]:
        adapter = self.loaded.get(body["model"])
        (ids,) = generate_batch(
            self.base,
            [body["prompt"]],
            GenerationOptions(body["max_tokens"]),
            lora=build_lora_batch([adapter], self.base),
            stop_ids=set(body["stop_token_ids"]),
        )
        shown = ""
        for count in range(1, len(ids) + 1):
            text = self.base.decode_text(ids[:count])
            finish = ("length" if len(ids) == body["max_tokens"] else "stop") if count == len(ids) else None
            if finish is None and text.endswith("\N{REPLACEMENT CHARACTER}"):
                continue
            if self.breaks_off and count > 2:
                return
            yield event({"choices": [{"text": text[len(shown) :], "finish_reason": finish, "logprobs": None}]})
            shown = text
        yield event({"choices": [], "usage": {"completion_tokens": len(ids)}})
        yield "data: [DONE]\n\n"


def event(body: dict) -> str:
    return f"data: {json.dumps(body)}\n\n"


def refusal(status: int, message: str, **headers: str) -> JSONResponse:
    error = {"message": message, "type": "BadRequestError", "code": status}
    return JSONResponse({"error": error}, status, {name.replace("_", "-"): value for name, value in headers.items()})


@contextmanager
def fake_vllm(base: BaseLM, *, max_lora_rank: int = 64, port: int = 0) -> Iterator[FakeVllm]:
    fake = FakeVllm(base, max_lora_rank)
    app = FastAPI()

    @app.get("/health")
    def health() -> None:
        pass

    @app.middleware("http")
    async def check_key(request: Request, go_on):
        if fake.key and request.url.path != "/health" and request.headers.get("authorization") != f"Bearer {fake.key}":
            return JSONResponse({"error": "Unauthorized"}, 401)
        return await go_on(request)

    @app.get("/v1/models")
    def models() -> object:
        adapters = [{"id": name, "root": "", "parent": MODEL} for name in fake.loaded]
        return fake.models or {"data": [*adapters, {"id": MODEL, "root": fake.root, "parent": None}]}

    @app.post("/v1/load_lora_adapter")
    async def load(request: Request):
        body = await request.json()
        return fake.load(body["lora_name"], Path(body["lora_path"]))

    @app.post("/v1/unload_lora_adapter")
    async def unload(request: Request):
        if fake.unload_refusals:
            return fake.unload_refusals.pop(0)
        name = (await request.json())["lora_name"]
        if fake.loaded.pop(name, None) is None:
            return refusal(404, f"The lora adapter '{name}' cannot be found.")
        return JSONResponse("Success")

    @app.post("/v1/completions")
    async def complete(request: Request):
        body = await request.json()
        fake.requests.append(body)
        if fake.refusals:
            return fake.refusals.pop(0)
        if fake.garbage is not None:
            return Response(fake.garbage, media_type="text/event-stream")
        if body["model"] != MODEL and body["model"] not in fake.loaded:
            return refusal(404, f"The model `{body['model']}` does not exist.")
        return StreamingResponse(fake.answer(body), media_type="text/event-stream")

    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=port, log_level="warning"))
    thread = threading.Thread(target=server.run)
    thread.start()
    wait_until(lambda: server.started or not thread.is_alive())
    assert server.started
    fake.url = f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    try:
        yield fake
    finally:
        server.should_exit = True
        thread.join()
