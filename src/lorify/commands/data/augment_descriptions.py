"""`augment-descriptions`: add descriptions to tasks, written by a language model or built from templates."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lorify.commands.terminal import print_line, show_progress
from lorify.errors import ConfigError, EvaluationError

if TYPE_CHECKING:
    from lorify.data.tasks.augmentation import Ask

MAX_ANSWER_TOKENS = 1200
TIMEOUT_SECONDS = 120
MAX_REASON_CHARS = 160

_Endpoint = Annotated[
    str | None,
    typer.Option("--endpoint", metavar="URL", help="OpenAI-compatible endpoint. Default: use templates instead."),
]
_Key = Annotated[
    str | None, typer.Option("--key", envvar="LORIFY_ENDPOINT_KEY", help="The endpoint's API key, if it needs one.")
]


def augment_descriptions(
    tasks: Annotated[Path, typer.Argument(metavar="PATH", help="Task file or folder.")],
    output: Annotated[Path, typer.Option("--output", "-o", metavar="DIR", help="Folder for the augmented tasks.")],
    count: Annotated[int, typer.Option("--count", "-n", min=1, help="Descriptions per task.")] = 12,
    endpoint: _Endpoint = None,
    model: Annotated[str | None, typer.Option("--model", help="Model to use at the endpoint.")] = None,
    key: _Key = None,
) -> None:
    """Write more descriptions for tasks.

    Tasks already in the output folder are skipped, so running the same command again resumes.

    Example: lorify augment-descriptions tasks -o augmented -n 12 --endpoint http://localhost:8000/v1 --model qwen3-8b
    """
    from lorify.data.tasks.augmentation import frame_descriptions, write_descriptions
    from lorify.data.tasks.files import load_tasks, save_task, task_path

    if endpoint is not None and model is None:
        raise ConfigError("--endpoint needs --model: the name of a model that the endpoint serves")
    loaded = load_tasks(tasks)
    ask = None if endpoint is None else _connect(endpoint, model, key)
    with show_progress("describing", "tasks") as advance:
        for task in loaded:
            if not task_path(task, output).exists():
                more = frame_descriptions(task, count) if ask is None else write_descriptions(task, count, ask)
                save_task(more, output)
            advance(1, len(loaded))
    print_line(str(output))


def _connect(endpoint: str, model: str | None, key: str | None) -> Ask:
    """A function that sends a prompt to the endpoint and returns the answer."""
    from huggingface_hub import InferenceClient

    client = InferenceClient(base_url=endpoint, api_key=key or "none", timeout=TIMEOUT_SECONDS)

    def ask(prompt: str) -> str:
        try:
            answer = client.chat_completion(
                [{"role": "user", "content": prompt}], model=model, max_tokens=MAX_ANSWER_TOKENS, temperature=1.0
            )
        except Exception as error:  # the client raises errors of several libraries
            reason = " ".join(f"{type(error).__name__}: {error}".split())[:MAX_REASON_CHARS]
            raise EvaluationError(
                f"endpoint {endpoint} did not answer ({reason}); check address, model and key, and run the "
                "same command again"
            ) from error
        return answer.choices[0].message.content or ""

    return ask
