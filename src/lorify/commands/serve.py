"""`serve` and `keys`: documents and tasks as models behind the OpenAI API."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from lorify.commands.options import Base, Hypernetwork, TaskHypernetwork, load_model
from lorify.commands.settings import describe_defaults, read_settings
from lorify.commands.specialize import load_tasks
from lorify.commands.terminal import say_line, stderr
from lorify.errors import ConfigError, HypernetworkError

if TYPE_CHECKING:
    from lorify.facade import Lorify
    from lorify.serving.engines.jobs import Engine
    from lorify.serving.settings import ServingSettings

keys_app = typer.Typer(help="API keys of a server.", no_args_is_help=True)

KeysPath = Annotated[
    Path | None, typer.Option("--keys", metavar="FILE", help="Keys file; without one, only this machine is served.")
]


def serve(
    host: Annotated[str, typer.Option("--host", help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="Port; 0 takes a free one.")] = 8000,
    base: Base = None,
    hypernetwork: Hypernetwork = None,
    task_hypernetwork: TaskHypernetwork = None,
    store: Annotated[
        Path | None, typer.Option("--store", metavar="DIR", help="Adapters; by default in the user's cache folder.")
    ] = None,
    keys: KeysPath = None,
    engine: Annotated[
        Literal["local", "vllm"], typer.Option("--engine", help="What answers: this process, or a vLLM server.")
    ] = "local",
    endpoint: Annotated[
        str | None,
        typer.Option(
            "--endpoint", metavar="URL", help="The vLLM server, with the same base; $VLLM_API_KEY is its key."
        ),
    ] = None,
    adapters_dir: Annotated[
        Path | None,
        typer.Option(
            "--adapters-dir", metavar="DIR", help="Where vLLM reads adapters, under the same path; default: STORE/vllm."
        ),
    ] = None,
    settings: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="A limit, such as engine.max_rows=16.")
    ] = None,
    defaults: Annotated[bool, typer.Option("--defaults", help="List every limit, its default and meaning.")] = False,
) -> None:
    """Serve documents and tasks as models through the OpenAI API, with a page at /.

    SIGTERM or Ctrl-C finishes the answers that are being given, then ends.

    Example: lorify serve --port 8000
    (then, in Python: openai.OpenAI(base_url="http://127.0.0.1:8000/v1", api_key="none"))
    """
    from lorify.serving.settings import ServingSettings

    if defaults:
        for line in describe_defaults(ServingSettings):
            say_line(line)
        return
    from lorify.base.files import cache_dir
    from lorify.serving.server import run_server
    from lorify.serving.service import Service
    from lorify.serving.storage.keys import ApiKeys, check_listen
    from lorify.serving.storage.store import AdapterStore

    if (engine == "vllm") != (endpoint is not None):
        raise ConfigError("--engine vllm and --endpoint URL go together; give both or neither")
    limits: ServingSettings = read_settings(ServingSettings, settings or [])
    known = None if keys is None else ApiKeys.load(keys)
    check_listen(host, known)
    folder = store or cache_dir() / "store"
    adapters = AdapterStore(folder, limits.max_disk_bytes, limits.max_memory_bytes)
    model = load_model(base, hypernetwork, task_hypernetwork=task_hypernetwork)
    if task_hypernetwork is not None:  # the one that ships is loaded when a task comes
        load_tasks(model)
    answering = _start_engine(model, endpoint, adapters_dir or folder / "vllm", limits)
    service = Service(model, answering, adapters, engine_name=engine, keys=known, settings=limits)

    def ready(url: str) -> None:
        stderr().print(f"serving {service.base_id} at {url} (adapters in {folder})", markup=False)

    run_server(service, host, port, ready)


def _start_engine(model: Lorify, endpoint: str | None, adapters_dir: Path, limits: ServingSettings) -> Engine:
    """The local engine, or one that asks a vLLM server."""
    from lorify.serving.engines.local import LocalEngine
    from lorify.serving.engines.vllm import KEY_VARIABLE, VllmEngine
    from lorify.serving.engines.vllm_adapters import needed_rank

    if endpoint is None:
        return LocalEngine(model.base, limits.engine, model.focus)
    rank = needed_rank(_usual_rank(model))
    stderr().print(
        f"vLLM at {endpoint} must run the weights of {model.base.name}, see {adapters_dir} and be started with "
        f"--enable-lora --max-lora-rank {rank} (its default is 16) and VLLM_ALLOW_RUNTIME_LORA_UPDATING=1",
        markup=False,
    )
    key = limits.vllm.api_key or os.environ.get(KEY_VARIABLE) or None
    return VllmEngine(model.base, endpoint, adapters_dir, limits.vllm.model_copy(update={"api_key": key}), model.focus)


def _usual_rank(model: Lorify) -> int:
    """Rank of an adapter of documents and one of a task together, as far as there are hypernetworks for both."""
    from lorify.contexts.documents import document_from_text

    rank = 0
    with contextlib.suppress(HypernetworkError):  # there is none for documents
        rank = model.internalize(document_from_text("A text to know the rank by.")).rank
    if model.task_hypernetwork is not None:
        rank += model.specializer.rank
    return rank


@keys_app.command("create")
def create(
    name: Annotated[str, typer.Argument(help="Whose key it is; adapters belong to this name.")],
    keys: Annotated[Path, typer.Option("--keys", metavar="FILE", help="Keys file; made if it is missing.")],
) -> None:
    """Make an API key and write it to standard output, this once; the file keeps a hash of it.

    Example: lorify keys create ann --keys keys.json
    """
    from lorify.serving.storage.keys import create_key

    say_line(create_key(keys, name))
