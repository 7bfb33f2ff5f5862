"""The command `lorify`: commands put together, errors as one line."""

from __future__ import annotations

import errno
import sys
from importlib.metadata import version
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from lorify.commands import models, show
from lorify.commands.adapters import adapter, importing, internalize, push, specialize
from lorify.commands.asking import ask, chat
from lorify.commands.data import augment_descriptions, generate_data, prepare_tasks, show_data
from lorify.commands.evaluation.app import app as evaluation_app
from lorify.commands.renamed import renamed
from lorify.commands.serving import keys, serve, store
from lorify.commands.terminal import quiet_libraries, stderr
from lorify.commands.training import average, train, watch
from lorify.errors import LorifyError, first_line
from lorify.extras import missing_extra
from lorify.threads import configure_threads

USER_ERROR = 2
_USAGE_ERROR = typer.BadParameter.__base__ or typer.BadParameter
"""Class of all usage errors, which typer does not export."""
INTERRUPTED = 130


class _OneLineErrors(TyperGroup):
    """Prints errors as one line on standard error; `--debug` lets them through with their traceback."""

    def make_context(self, *args: Any, **options: Any) -> Any:
        """Read the options before the command."""
        try:
            return super().make_context(*args, **options)
        except Exception as error:
            _fail_of_usage(error)
            raise

    def invoke(self, ctx: Any) -> Any:
        """Run the command."""
        if ctx.params.get("debug"):
            return super().invoke(ctx)
        try:
            return super().invoke(ctx)
        except LorifyError as error:
            _fail(str(error))
        except KeyboardInterrupt:
            _fail("stopped", code=INTERRUPTED, label="")
        except (typer.Exit, typer.Abort):
            raise
        except BrokenPipeError:
            raise
        except ModuleNotFoundError as error:
            _fail(missing_extra(error) or _describe(error))
        except Exception as error:
            _fail_of_usage(error)
            # Typer shows the help of a group without a command by an exception.
            if type(error).__module__.startswith(("typer", "click")):
                raise
            _fail(_describe(error))


def _fail(message: str, *, code: int = USER_ERROR, label: str = "error: ") -> None:
    stderr().print(label + " ".join(message.split()), markup=False, style="red" if label else None)
    raise typer.Exit(code)


def _fail_of_usage(error: Any) -> None:
    """Print a wrong option or argument, which typer would show in three lines; does nothing about another error."""
    context, message = getattr(error, "ctx", None), getattr(error, "message", "")
    if not isinstance(error, _USAGE_ERROR) or context is None or message == context.get_help():
        return
    message = error.format_message()
    _fail(f"{message[:1].lower()}{message[1:].rstrip('.')} (see `{context.command_path} --help`)")


def _describe(error: Exception) -> str:
    """One line about an error that no part of lorify raises on purpose."""
    summary = first_line(error)
    # Libraries that write files themselves hide the number of the error in their message.
    if getattr(error, "errno", None) == errno.ENOSPC or "No space left" in str(error):
        return f"the disk is full ({summary}); free some space and run it again"
    # torch says it in words, differently for each device
    if isinstance(error, MemoryError) or "out of memory" in str(error) or "can't allocate memory" in str(error):
        return "not enough memory; give fewer documents at once, or a smaller base model"
    if isinstance(error, OSError):
        return f"{summary}; check the path and its permissions"
    return f"unexpected {type(error).__name__}: {summary}; run `lorify --debug ...` again for the traceback"


app = typer.Typer(
    cls=_OneLineErrors,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _show_version(wanted: bool) -> None:
    if wanted:
        sys.stdout.write(f"lorify {version('lorify')}\n")
        raise typer.Exit


@app.callback()
def options(
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks, and the messages of libraries.")] = False,
    threads: Annotated[
        int | None,
        typer.Option(
            "--threads", min=1, max=1024, help="Number of CPU threads; default: one for each CPU that may be used."
        ),
    ] = None,
    _version: Annotated[
        bool, typer.Option("--version", help="Show the version.", callback=_show_version, is_eager=True)
    ] = False,
) -> None:
    """Turn documents into LoRA adapters in one forward pass, and ask a language model about them.

    Example: lorify ask handbook.pdf -q "Who approves travel?"
    """
    configure_threads(threads)
    if not debug:
        quiet_libraries()


app.command("ask")(ask.ask)
app.command("internalize")(internalize.internalize)
app.command("show")(show.show)
app.command("specialize")(specialize.specialize)
app.command("chat")(chat.chat)
app.add_typer(adapter.app, name="adapter")
app.command("train")(train.train)
app.command("watch")(watch.watch)
app.command("augment-descriptions")(augment_descriptions.augment_descriptions)
app.command("generate-data")(generate_data.generate_data)
app.command("show-data")(show_data.show_data)
app.command("prepare-tasks")(prepare_tasks.prepare_tasks)
app.command("describe", hidden=True)(
    renamed(augment_descriptions.augment_descriptions, new_name="augment-descriptions")
)
app.command("data", hidden=True)(renamed(generate_data.generate_data, new_name="generate-data"))
app.command("import")(importing.import_checkpoint)
app.command("average")(average.average)
app.add_typer(evaluation_app, name="eval")
app.command("models")(models.models)
app.command("push")(push.push)
app.command("serve")(serve.serve)
app.add_typer(keys.app, name="keys")
app.add_typer(store.app, name="store")


def main() -> None:
    """Entry point of the command `lorify`."""
    app()
