"""The command group `lorify eval`."""

from __future__ import annotations

from typing import Any

import typer
from typer.core import TyperGroup

from lorify.commands.evaluation import (
    benchmarks,
    confidence,
    descriptions,
    documents,
    images,
    reports,
    run,
    stated,
    tasks,
)


class _RunByDefault(TyperGroup):
    """Reads `lorify eval SUITE` as `lorify eval run SUITE`."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Find the command."""
        if args and args[0] not in self.commands and not args[0].startswith("-"):
            args = ["run", *args]
        return super().resolve_command(ctx, args)


app = typer.Typer(
    cls=_RunByDefault,
    help="Measure how good a hypernetwork is: `lorify eval SUITE`, or one of the commands.",
    no_args_is_help=True,
)
app.command("run")(run.run)
app.command("niah")(documents.niah)
app.command("qa")(documents.qa)
app.command("agreement")(documents.agreement)
app.command("compare")(reports.compare)
app.command("pool")(reports.pool)
app.command("table")(reports.table)
app.command("report")(reports.report)
app.command("confidence")(confidence.confidence)
app.command("stated")(stated.stated)
app.command("descriptions")(descriptions.descriptions)
app.command("list")(run.list_specs)
app.command("tasks")(tasks.tasks)
app.command("benchmarks")(benchmarks.benchmarks)
app.command("digits")(images.digits)
app.command("imagenette")(images.imagenette)
