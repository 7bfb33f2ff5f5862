"""`serve` and `keys`: documents and tasks as models behind the OpenAI API."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from lorify.commands.options import Base, Hypernetwork, load_model
from lorify.commands.settings import describe_defaults, read_settings
from lorify.commands.terminal import say_line, stderr

if TYPE_CHECKING:
    from lorify.serving.settings import ServingSettings

keys_app = typer.Typer(help="API keys of a server.", no_args_is_help=True)

KeysPath = Annotated[
    Path | None, typer.Option("--keys", metavar="FILE", help="Keys file; without one, only this machine is served.")
]


def serve(
    host: Annotated[str, typer.Option("--host", help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="Port; 0 takes a free one.")] = 8000,
    base: Base = None,
    hypernet: Hypernetwork = None,
    store: Annotated[
        Path | None, typer.Option("--store", metavar="DIR", help="Adapters; by default in the user's cache folder.")
    ] = None,
    keys: KeysPath = None,
    engine: Annotated[Literal["local"], typer.Option("--engine", help="What answers.")] = "local",
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
    from lorify.serving.engine import LocalEngine
    from lorify.serving.keys import ApiKeys, check_listen
    from lorify.serving.server import run_server
    from lorify.serving.service import Service
    from lorify.serving.store import AdapterStore

    limits: ServingSettings = read_settings(ServingSettings, settings or [])
    known = None if keys is None else ApiKeys.load(keys)
    check_listen(host, known)
    folder = store or cache_dir() / "store"
    adapters = AdapterStore(folder, limits.max_disk_bytes, limits.max_memory_bytes)
    model = load_model(base, hypernet)
    service = Service(model, LocalEngine(model.base, limits.engine), adapters, keys=known, settings=limits)

    def ready(url: str) -> None:
        stderr().print(f"serving {service.base_id} at {url} (adapters in {folder})", markup=False)

    run_server(service, host, port, ready)


@keys_app.command("create")
def create(
    name: Annotated[str, typer.Argument(help="Whose key it is; adapters belong to this name.")],
    keys: Annotated[Path, typer.Option("--keys", metavar="FILE", help="Keys file; made if it is missing.")],
) -> None:
    """Make an API key and write it to standard output, this once; the file keeps a hash of it.

    Example: lorify keys create ann --keys keys.json
    """
    from lorify.serving.keys import create_key

    say_line(create_key(keys, name))
