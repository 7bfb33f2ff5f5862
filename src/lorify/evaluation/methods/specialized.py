"""Methods whose adapter a task hypernetwork generates from a text (Text-to-LoRA)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Literal

from pydantic import Field

from lorify.adapters import Adapter, AdapterStack
from lorify.answering.plan import Query
from lorify.answering.window import fit_document
from lorify.errors import EvaluationError
from lorify.evaluation.methods.api import Ingest, Method, PreparedCase
from lorify.evaluation.methods.contexts import case_task, joined_documents
from lorify.evaluation.methods.internalized import prepare_adapter
from lorify.evaluation.methods.tasks import shown_examples, with_examples
from lorify.evaluation.suites.cases import Case, CaseKind
from lorify.facade import Lorify
from lorify.hypernets.importing.on_hub import hypernetwork_for
from lorify.hypernets.registry import load_specializer
from lorify.hypernets.specializer import Specializer
from lorify.hypernets.task_refinement.example_fit import fit_examples
from lorify.hypernets.task_refinement.refine_task import refine_task
from lorify.hypernets.text_to_lora.library import load_descriptions

QA_INSTRUCTION = "Answer the question about the document in as few words as possible."


class Specialized(Method):
    """Base class: the adapter that a task hypernetwork generates from a text."""

    kinds = ("tasks",)
    hypernetwork: Path | None = Field(None, description="Folder of another task hypernetwork for the same base model.")

    @property
    def needs(self) -> CaseKind | None:
        """The loaded hypernetwork for tasks, unless another one is given."""
        return "tasks" if self.hypernetwork is None else None

    @property
    def own_hypernetwork(self) -> Path | None:
        """The other hypernetwork, if one is given."""
        return self.hypernetwork

    def load(self, model: Lorify, max_new_tokens: int) -> Ingest:
        """Load the description encoder, and the other hypernetwork if one is given."""
        specializer = self.load_specializer(model)
        describe = self.load_text(specializer)

        def ingest(case: Case) -> PreparedCase:
            text = describe(case)
            adapter = self.finish(model, case, specializer.specialize(text))
            return replace(prepare_adapter(adapter, only_if_relevant=False), description=text)

        return ingest

    def finish(self, _model: Lorify, _case: Case, adapter: Adapter) -> Adapter:
        """Return the adapter that is asked, made from the generated one."""
        return adapter

    def load_specializer(self, model: Lorify) -> Specializer:
        """Load the other hypernetwork if one is given, else take the loaded one."""
        if self.hypernetwork is None:
            return model.specializer
        return load_specializer(model.base, hypernetwork_for(model.base, self.hypernetwork))

    def load_text(self, specializer: Specializer) -> Callable[[Case], str]:
        """Return a function that finds the text for a case: a description, or for one-hot hypernetworks the name."""
        is_name = bool(specializer.task_names)
        return lambda case: case_task(case).name if is_name else case_task(case).description


class SpecializedForTask(Specialized):
    """Base class: the adapter of a task, of which three examples can help."""

    reads_description = True
    examples: bool = Field(False, description="Put three examples into the prompt too, as three_shot does.")
    fit: bool = Field(False, description="Fit the three examples into the adapter.")
    refine: float = Field(0.0, ge=0, description="Seconds of refinement on the three examples; 0: none.")

    def load(self, model: Lorify, max_new_tokens: int) -> Ingest:
        """Load the description encoder, and the other hypernetwork if one is given."""
        specialize = super().load(model, max_new_tokens)

        def ingest(case: Case) -> PreparedCase:
            prepared = specialize(case)
            if not self.examples:
                return prepared
            return replace(prepared, query_for=with_examples(prepared.query_for, case_task(case)))

        return ingest

    def finish(self, model: Lorify, case: Case, adapter: Adapter) -> Adapter:
        """Fit the examples of a case into an adapter, or refine it on them, if either is wanted."""
        if not (self.fit or self.refine):
            return adapter
        prompts = model.answerer.prompts_for(AdapterStack.of(adapter))
        examples = shown_examples(case_task(case))
        if self.fit:
            adapter = fit_examples(model.base, adapter, examples, prompts=prompts)
        if self.refine:
            adapter = refine_task(model.base, adapter, examples, seconds=self.refine, prompts=prompts)
        return adapter


class FromDescription(SpecializedForTask):
    """The adapter that the task hypernetwork generates from a description that training never saw."""

    name = "adapter"


class Mismatched(SpecializedForTask):
    """The adapter from the description of another task: a good hypernetwork follows the description."""

    name = "mismatched"

    def load_text(self, specializer: Specializer) -> Callable[[Case], str]:
        """Return a function that finds the description of another task."""

        def find(case: Case) -> str:
            text = case_task(case).mismatched
            if text is None:
                raise EvaluationError("method mismatched needs at least two tasks; give more, or leave it out")
            return text

        return find


class RandomText(SpecializedForTask):
    """The adapter from random characters."""

    name = "random"

    def load_text(self, specializer: Specializer) -> Callable[[Case], str]:
        """Return a function that finds the random characters of a case."""
        return lambda case: case_task(case).noise


class FromPrompt(Specialized):
    """Hyperdecoders: each question has an adapter of its own, generated from the question."""

    name = "hyperdecoders"
    examples: bool = Field(False, description="Put three examples into the prompt too, as three_shot does.")

    def load(self, model: Lorify, max_new_tokens: int) -> Ingest:
        """Load the description encoder, and the other hypernetwork if one is given."""
        specializer = self.load_specializer(model)

        def query_for(question: str) -> Query:
            return prepare_adapter(specializer.specialize(question), only_if_relevant=False).query_for(question)

        def ingest(case: Case) -> PreparedCase:
            return PreparedCase(with_examples(query_for, case_task(case)) if self.examples else query_for)

        return ingest


class Restored(SpecializedForTask):
    """The adapter that a task hypernetwork trained on a library generates for a task of that library.

    A compressed library is looked up by its own descriptions, so the adapter is generated from one of them.
    """

    name = "restored"
    path: Path = Field(description="Library folder (`best` of a run of kind lora).")

    def load_text(self, specializer: Specializer) -> Callable[[Case], str]:
        """Return a function that finds the first description that the library stores for a task."""
        descriptions = load_descriptions(self.path)

        def find(case: Case) -> str:
            task = case_task(case).name
            if task not in descriptions:
                raise missing_in_library("restored", self.path, task)
            return task if specializer.task_names else descriptions[task][0]

        return find


class FromInstruction(Specialized):
    """Text-to-LoRA on documents: the adapter from an instruction, or as published from the document's own text."""

    name = "t2l"
    kinds = ("documents",)
    instruction: str = Field(QA_INSTRUCTION, description="Task description, the same for all documents.")
    describe: Literal["instruction", "document"] = Field(
        "instruction", description="Text that describes the task: the instruction, or as published the document itself."
    )
    document: bool = Field(False, description="Put the document into the prompt too, as icl does.")

    def load(self, model: Lorify, max_new_tokens: int) -> Ingest:
        """Load the description encoder, and the other hypernetwork if one is given."""
        specialize = super().load(model, max_new_tokens)

        def ingest(case: Case) -> PreparedCase:
            prepared = specialize(case)
            if not self.document:
                return prepared
            text = joined_documents(case)

            def query_for(question: str) -> Query:
                document = fit_document(model.answerer, text, question, max_new_tokens)
                return replace(prepared.query_for(question), document=document)

            return replace(prepared, query_for=query_for)

        return ingest

    def load_text(self, specializer: Specializer) -> Callable[[Case], str]:
        """Return a function that returns the instruction, or the document of a case."""
        return joined_documents if self.describe == "document" else lambda _case: self.instruction


def missing_in_library(method: str, library: Path, task: str) -> EvaluationError:
    """Build the error for a library without the LoRA of a task."""
    return EvaluationError(
        f"method {method} needs the LoRA of every task, and {library} has none for {task!r}; give a library that "
        "contains them"
    )
