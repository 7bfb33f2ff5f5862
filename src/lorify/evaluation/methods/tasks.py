"""Methods for tasks: what is a description worth, in the prompt or as an adapter?

Every method answers the same inputs of a task. An input alone is in the prompt, but for the methods that put the
description or examples there.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from pydantic import Field

from lorify.adapters import Adapter, AdapterStack
from lorify.adapters.storage import load_adapter
from lorify.answering.plan import Query
from lorify.answering.window import fit_document
from lorify.errors import EvaluationError
from lorify.evaluation.methods.api import Method, PreparedCase, Update
from lorify.evaluation.suites.cases import Case, CaseKind, TaskContext
from lorify.facade import Lorify
from lorify.hypernets.registry import load_specializer
from lorify.hypernets.text_to_lora.library import load_descriptions, load_library

QA_INSTRUCTION = "Answer the question about the document in as few words as possible."


def case_task(case: Case) -> TaskContext:
    """The task of a case that has one."""
    assert case.task is not None, "methods are parsed for the suite's kind of cases"
    return case.task


class Described(Method):
    """The description in the prompt."""

    name = "description"
    kinds = ("tasks",)

    def load(self, model: Lorify, max_new_tokens: int) -> Update:
        """Nothing to do."""

        def update(case: Case) -> PreparedCase:
            text = case_task(case).description
            return PreparedCase(lambda question: Query(question, document=text), description=text)

        return update


class ThreeShot(Method):
    """Three examples in the prompt, as turns of the chat."""

    name = "three_shot"
    kinds = ("tasks",)

    def load(self, model: Lorify, max_new_tokens: int) -> Update:
        """Nothing to do."""
        return lambda case: PreparedCase(lambda question: Query(question, turns=case_task(case).examples))


class _Generated(Method):
    """The adapter that a task hypernetwork writes from a text."""

    kinds = ("tasks",)
    hypernetwork: Path | None = Field(None, description="Folder of another task hypernetwork of the same base.")

    @property
    def needs(self) -> CaseKind | None:
        """The hypernetwork for tasks, unless another one is given."""
        return "tasks" if self.hypernetwork is None else None

    @property
    def own_hypernetwork(self) -> Path | None:
        """The other hypernetwork, if one is given."""
        return self.hypernetwork

    def load(self, model: Lorify, max_new_tokens: int) -> Update:
        """Load the other hypernetwork, if there is one, and the description encoder."""
        specializer = (
            model.specializer if self.hypernetwork is None else load_specializer(model.base, self.hypernetwork)
        )
        describe = self.describe()

        def update(case: Case) -> PreparedCase:
            text = describe(case)
            adapter = specializer.specialize(text)
            return PreparedCase(_always_on(adapter), adapter, text)

        return update

    def describe(self) -> Callable[[Case], str]:
        """What says what an adapter is made of."""
        return lambda case: case_task(case).description


class FromDescription(_Generated):
    """The adapter that the task hypernetwork writes from a description that no training saw (Text-to-LoRA)."""

    name = "adapter"


class Mismatched(_Generated):
    """The adapter from the description of another task: a good hypernetwork follows the words."""

    name = "mismatched"

    def describe(self) -> Callable[[Case], str]:
        """Another task's description."""

        def find(case: Case) -> str:
            text = case_task(case).mismatched
            if text is None:
                raise EvaluationError("method mismatched needs at least two tasks; give more, or leave it out")
            return text

        return find


class RandomText(_Generated):
    """The adapter from random letters."""

    name = "random"

    def describe(self) -> Callable[[Case], str]:
        """Random letters."""
        return lambda case: case_task(case).noise


class FromInstruction(_Generated):
    """Text-to-LoRA on documents: the adapter from an instruction, which says nothing of the document."""

    name = "t2l"
    kinds = ("documents",)
    instruction: str = Field(QA_INSTRUCTION, description="Description of the task, for all documents.")
    document: bool = Field(False, description="The document in the prompt too, as for icl.")

    def load(self, model: Lorify, max_new_tokens: int) -> Update:
        """Load what writes the adapter."""
        generate = super().load(model, max_new_tokens)

        def update(case: Case) -> PreparedCase:
            known = generate(case)
            if not self.document:
                return known
            text = "\n\n".join(case.documents)

            def query_for(question: str) -> Query:
                document = fit_document(model.answerer, text, question, max_new_tokens)
                return replace(known.query_for(question), document=document)

            return replace(known, query_for=query_for)

        return update

    def describe(self) -> Callable[[Case], str]:
        """The instruction."""
        return lambda _case: self.instruction


class _Trained(Method):
    """A LoRA that was trained."""

    kinds = ("tasks",)
    path: Path = Field(description="Folder that a run of kind lora wrote (its best).")

    def read(self) -> Callable[[TaskContext], Adapter]:
        """What gives the LoRA of a task."""
        raise NotImplementedError

    def load(self, model: Lorify, max_new_tokens: int) -> Update:
        """Read the LoRAs."""
        find = self.read()

        def update(case: Case) -> PreparedCase:
            adapter = find(case_task(case))
            adapter.check_base(model.base)
            return PreparedCase(_always_on(adapter), adapter)

        return update


class MultiTask(_Trained):
    """One LoRA for all tasks."""

    name = "multi_task"

    def read(self) -> Callable[[TaskContext], Adapter]:
        """The same for every task."""
        adapter = load_adapter(self.path)
        return lambda task: adapter


class OwnLora(_Trained):
    """Each task's own LoRA, trained on its examples: as good as an adapter can be expected to get."""

    name = "oracle"

    def read(self) -> Callable[[TaskContext], Adapter]:
        """The task's own, of a library."""
        adapters = load_library(self.path).adapters

        def find(task: TaskContext) -> Adapter:
            if task.name not in adapters:
                raise _not_in_library("oracle", self.path, task.name)
            return adapters[task.name]

        return find


class Restored(_Generated):
    """The LoRA of a task of a library, as the task hypernetwork that was trained on the library writes it again.

    A compressed library is looked up by its own descriptions, so that one of these is read.
    """

    name = "restored"
    path: Path = Field(description="Library folder that a run of kind lora wrote (its best).")

    def describe(self) -> Callable[[Case], str]:
        """The first description that the library keeps of a task."""
        descriptions = load_descriptions(self.path)

        def find(case: Case) -> str:
            task = case_task(case).name
            if task not in descriptions:
                raise _not_in_library("restored", self.path, task)
            return descriptions[task][0]

        return find


def _always_on(adapter: Adapter) -> Callable[[str], Query]:
    """Ask every question with an adapter, which no question switches off."""
    stack = AdapterStack.of(adapter)
    return lambda question: Query(question, stack, only_if_relevant=False)


def _not_in_library(method: str, library: Path, task: str) -> EvaluationError:
    return EvaluationError(
        f"method {method} needs the LoRA of every task, and {library} has none of {task!r}; give a library that has "
        "them"
    )
