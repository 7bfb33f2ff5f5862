"""`lorify show-data`: print contexts of self-generated data with their questions and answers."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lorify.commands.options import Base, Json
from lorify.commands.terminal import print_json, print_line

if TYPE_CHECKING:
    from lorify.data.examples import Example
    from lorify.data.self_generated.sets import SelfGeneratedSets


def show_data(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder of shards, or of folders of shards.")],
    limit: Annotated[int, typer.Option("--limit", min=1, help="Number of contexts to show of each set.")] = 3,
    files: Annotated[
        list[str] | None, typer.Option("--files", metavar="PATTERN", help="Show only shards that match this pattern.")
    ] = None,
    base: Base = None,
    as_json: Json = False,
) -> None:
    """Show self-generated data: its sets, contexts, questions and answers, and how sure the base was of each answer.

    Reads what `lorify generate-data` wrote and the published data of Doc-to-LoRA, which needs --base.

    Example: lorify show-data data/self-generated/gemma-2-2b-it --base google/gemma-2-2b-it --limit 1
    """
    sets = _load(folder, base, files or [])
    shown = [
        {
            "set": f"set {number}",
            "contexts": len(contexts),
            "questions": contexts.num_questions,
            "examples": [_as_row(contexts[i]) for i in range(min(limit, len(contexts)))],
        }
        for number, contexts in enumerate(sets.sets, 1)
    ]
    if as_json:
        print_json({"sets": shown})
        return
    for row in shown:
        print_line(f"{row['set']}: {row['contexts']} contexts, about {row['questions']} questions")
        for example in row["examples"]:
            print_line(f"\n{example['context']}\n")
            for asked in example["questions"]:
                print_line(f"  Q: {asked['question']}\n  A: {asked['answer']}  [{asked['probability']}]")
        print_line("")


def _load(folder: Path, base: str | None, patterns: list[str]) -> SelfGeneratedSets:
    from lorify.base.files.locate import DEFAULT_BASE
    from lorify.contexts.encoders.encoding import context_affixes
    from lorify.data.self_generated.published import ChatTokens
    from lorify.data.self_generated.sets import load_sets
    from lorify.data.self_generated.teachers import read_teacher_base

    tokenizer = read_teacher_base(base or DEFAULT_BASE).tokenizer
    chat = ChatTokens(tokenizer, *context_affixes(tokenizer, system_turn=True))
    return load_sets(folder, None, chat, patterns=patterns)


def _as_row(example: Example) -> dict:
    """A context with its questions; the probability of an answer is that of its least likely token."""
    from lorify.data.self_generated.store import SelfGeneratedQuestion

    questions = []
    for question in example.questions:
        assert isinstance(question, SelfGeneratedQuestion)
        questions.append(
            {"question": question.text, "answer": question.answers[0], "probability": question.least_probability}
        )
    return {"context": example.documents[0], "questions": questions}
