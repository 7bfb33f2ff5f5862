"""`serve`: documents and tasks as models behind the OpenAI API."""

from __future__ import annotations

import contextlib
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from lorify.commands.adapters.specialize import load_task_hypernetwork
from lorify.commands.options import Base, Hypernetwork, TaskHypernetwork, load_model
from lorify.commands.settings import describe_defaults, read_settings
from lorify.commands.terminal import print_line, stderr
from lorify.errors import ConfigError, HypernetworkError

if TYPE_CHECKING:
    from lorify.facade import Lorify
    from lorify.serving.engines.jobs import Engine
    from lorify.serving.settings import ServingSettings

SETTING_EXAMPLE = "engine.max_rows=16"

Host = Annotated[str, typer.Option("--host", help="Address to listen on.")]
Port = Annotated[int, typer.Option("--port", min=0, max=65535, help="Port to listen on; 0 picks a free one.")]
StoreDir = Annotated[
    Path | None,
    typer.Option(
        "--store", metavar="DIR", help="Folder in which adapters are kept; by default in the user's cache folder."
    ),
]
KeysPath = Annotated[
    Path | None,
    typer.Option("--keys", metavar="FILE", help="File of API keys; without one, only this machine is served."),
]
EngineName = Annotated[
    Literal["local", "vllm"],
    typer.Option("--engine", help="What generates the answers: this process, or a vLLM server."),
]
Endpoint = Annotated[
    str | None,
    typer.Option(
        "--endpoint", metavar="URL", help="vLLM server that runs the same base; its API key is read from $VLLM_API_KEY."
    ),
]
AdaptersDir = Annotated[
    Path | None,
    typer.Option(
        "--adapters-dir",
        metavar="DIR",
        help="Folder in which vLLM finds the adapters, under the same path on its machine; default: STORE/vllm.",
    ),
]
CorsOrigins = Annotated[
    list[str] | None,
    typer.Option(
        "--cors-origin",
        metavar="URL",
        help="Origin of web pages that may use the server, such as http://localhost:3000, or * for all; may be given "
        "several times.",
    ),
]
Settings = Annotated[
    list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help=f"Change a limit, such as {SETTING_EXAMPLE}.")
]
Defaults = Annotated[bool, typer.Option("--defaults", help="List all limits with their defaults.")]


def serve(
    host: Host = "127.0.0.1",
    port: Port = 8000,
    base: Base = None,
    hypernetwork: Hypernetwork = None,
    task_hypernetwork: TaskHypernetwork = None,
    store: StoreDir = None,
    keys: KeysPath = None,
    engine: EngineName = "local",
    endpoint: Endpoint = None,
    adapters_dir: AdaptersDir = None,
    cors_origin: CorsOrigins = None,
    settings: Settings = None,
    defaults: Defaults = False,
) -> None:
    """Serve adapters through the OpenAI API.

    Documents and tasks become models, and the address / shows a web page. On SIGTERM or Ctrl-C the server finishes
    running answers, then exits.

    Example: lorify serve --port 8000
    (then, in Python: openai.OpenAI(base_url="http://127.0.0.1:8000/v1", api_key="none"))
    """
    from lorify.serving.settings import ServingSettings

    if defaults:
        for line in describe_defaults(ServingSettings):
            print_line(line)
        return
    from lorify.base.cache import cache_dir
    from lorify.serving.server import run_server
    from lorify.serving.service import Service, key_share
    from lorify.serving.storage.keys import ApiKeys, check_listen
    from lorify.serving.storage.store import AdapterStore

    if (engine == "vllm") != (endpoint is not None):
        raise ConfigError("--engine vllm and --endpoint URL go together; give both or neither")
    origins = [f"cors_origins={json.dumps(cors_origin)}"] if cors_origin else []
    limits = read_settings(
        ServingSettings, [*(settings or []), *origins], command="lorify serve", example=SETTING_EXAMPLE
    )
    api_keys = None if keys is None else ApiKeys.load(keys)
    check_listen(host, api_keys)
    store_dir = store or cache_dir() / "store"
    adapters = AdapterStore(store_dir, limits.max_disk_bytes, limits.max_memory_bytes)
    model = load_model(base, hypernetwork, task_hypernetwork=task_hypernetwork)
    if task_hypernetwork is not None:  # the shipped one is loaded with the first task
        load_task_hypernetwork(model)
    _ = model.answerer.quotes.extractor  # not while the first client waits
    share = key_share(api_keys, limits)
    started = _start_engine(model, endpoint, adapters_dir or store_dir / "vllm", limits, share)
    service = Service(model, started, adapters, engine_name=engine, keys=api_keys, settings=limits)
    run_server(service, host, port, lambda url: _say_ready(service.base_id, url, store_dir))


def _say_ready(base_id: str, url: str, store_dir: Path) -> None:
    stderr().print(f"serving {base_id} at {url} (adapters in {store_dir})", markup=False)


def _start_engine(
    model: Lorify, endpoint: str | None, adapters_dir: Path, limits: ServingSettings, max_share: float
) -> Engine:
    """Start the local engine, or one that uses the vLLM server at `endpoint`."""
    from lorify.adapters.exports.vllm_ranks import needed_rank
    from lorify.serving.engines.local import LocalEngine
    from lorify.serving.engines.vllm import VllmEngine
    from lorify.serving.engines.vllm_client import KEY_VARIABLE

    if endpoint is None:
        return LocalEngine(model.base, limits.engine, model.answerer.plan, max_share)
    rank = needed_rank(_typical_rank(model))
    stderr().print(
        f"vLLM at {endpoint} must run the weights of {model.base.name}, be able to read {adapters_dir}, and be started "
        f"with --enable-lora --max-lora-rank {rank} (default 16) and VLLM_ALLOW_RUNTIME_LORA_UPDATING=1",
        markup=False,
    )
    key = limits.vllm.api_key or os.environ.get(KEY_VARIABLE) or None
    return VllmEngine(
        model.base,
        endpoint,
        adapters_dir,
        limits.vllm.model_copy(update={"api_key": key}),
        model.answerer.plan,
        max_share,
    )


def _typical_rank(model: Lorify) -> int:
    """Rank of a short document's adapter plus that of a task's, for the hypernetworks that are loaded."""
    from lorify.contexts.documents import document_from_text

    rank = 0
    with contextlib.suppress(HypernetworkError):  # no document hypernetwork is loaded
        rank = model.internalize(document_from_text("A short text.")).rank
    if model.task_hypernetwork is not None:
        rank += model.specializer.rank
    return rank
