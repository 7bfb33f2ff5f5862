"""The public API: a loaded base with its hypernetworks, and the verbs of the user."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any

from lorify import shipped
from lorify.adapters import Adapter, AdapterLike, AdapterStack
from lorify.adapters.exports.registry import DEFAULT_EXPORT, find_export
from lorify.adapters.storage import save_adapter
from lorify.answering.answerer import Answerer
from lorify.answering.by_document import SourcedAnswer, answer_by_document
from lorify.answering.calibration.confidence import ConfidenceModel
from lorify.answering.calibration.description_estimate import DescriptionModel, DescriptionProbe
from lorify.answering.calibration.stated import StatedModel
from lorify.answering.choices import Choice, rank_choices
from lorify.answering.parts.export import export_parts
from lorify.answering.plan import Query
from lorify.argument_checks import (
    are_adapters,
    are_examples,
    are_messages,
    are_names,
    are_scaled_adapters,
    are_sources,
    are_texts,
    are_texts_or_none,
    check_same_lengths,
    checked,
    is_adapter,
    is_keep,
    is_number_of_tokens,
    is_path,
    is_schema,
    is_seconds,
    is_text,
    is_text_or_none,
)
from lorify.base.chat.prompts import Message, PromptBuilder
from lorify.base.constraints import Constraint, json_constraint
from lorify.base.decoding.sampling import DEFAULT_NEW_TOKENS, GenerationOptions
from lorify.base.model import BaseLM
from lorify.cancellation import CancelToken
from lorify.contexts.documents import check_different_names
from lorify.contexts.images import Context, ContextSource, as_context, as_text
from lorify.data.answers import NOT_STATED
from lorify.errors import HypernetworkError, RequestError
from lorify.extraction.extractor import Extractor
from lorify.hypernets.adapter_training.training_examples import focusing
from lorify.hypernets.checkpoint import hypernetwork_digest
from lorify.hypernets.document_refinement.refine import refine
from lorify.hypernets.document_refinement.study import study
from lorify.hypernets.internalizer import DocumentInternalizer, Keep, combine_documents
from lorify.hypernets.options import InternalizerOptions
from lorify.hypernets.registry import load_specializer
from lorify.hypernets.specializer import Specializer
from lorify.hypernets.task_refinement.example_fit import fit_examples
from lorify.hypernets.task_refinement.refine_task import refine_task
from lorify.hypernets.task_refinement.task_examples import TaskExample


class Lorify:
    """A base model that learns documents and tasks in one forward pass.

    Example:
        >>> import lorify
        >>> model = lorify.load()
        >>> adapter = model.internalize("handbook.pdf")
        >>> model.ask("Who approves travel?", adapter)
        >>> model.save(adapter, "handbook-adapter")
        >>> brief = model.specialize("Answer in capital letters.")
        >>> model.ask("Who approves travel?", model.combine([(adapter, 1.0), (brief, 1.0)]))
    """

    def __init__(
        self,
        base: BaseLM,
        internalizer: DocumentInternalizer | None,
        task_hypernetwork: Path | None = None,
        confidence_model: ConfidenceModel | None = None,
        stated_model: StatedModel | None = None,
        load_extractor: Callable[[], Extractor | None] = lambda: None,
    ) -> None:
        """Join a base with its hypernetworks.

        Args:
            base: the base.
            internalizer: its document hypernetwork, if there is one.
            task_hypernetwork: folder of its task hypernetwork, if there is one. It is loaded with its description
                encoder on first use.
            confidence_model: estimates how likely answers about documents are right.
            stated_model: estimates how likely the documents state an answer.
            load_extractor: reads the extractor, when a question is first asked that the documents' words may answer.
        """
        self.base = base
        load_writer = partial(shipped.load_follow_up_writer, base)
        self.answerer = Answerer(base, internalizer, confidence_model, stated_model, load_writer, load_extractor)
        self._internalizer = internalizer
        self._load_extractor = load_extractor
        self.task_hypernetwork = task_hypernetwork
        self._description_probe: DescriptionProbe | None = None

    @property
    def internalizer(self) -> DocumentInternalizer:
        """The document hypernetwork.

        Raises:
            HypernetworkError: if none was loaded.
        """
        if self._internalizer is None:
            raise HypernetworkError(
                f"no hypernetwork ships for base {self.base.name}; train one with `lorify train` and give it "
                "with --hypernetwork"
            )
        return self._internalizer

    @cached_property
    def specializer(self) -> Specializer:
        """The task hypernetwork with its description encoder.

        Raises:
            HypernetworkError: if there is none, it is damaged, or it was made for another base or encoder.
            ContextError: if the description encoder cannot be found, fetched or read.
        """
        if self.task_hypernetwork is None:
            raise HypernetworkError(
                f"no task hypernetwork ships for base {self.base.name}; train one with `lorify train` (a config of "
                "kind task or system_message) and give it with --task-hypernetwork"
            )
        return load_specializer(self.base, self.task_hypernetwork)

    @cached_property
    def description_model(self) -> DescriptionModel | None:
        """What estimates whether the adapter of a description does its task; None if none was fitted.

        Raises:
            HypernetworkError: if its file or the task hypernetwork is damaged.
        """
        folder = self.task_hypernetwork
        return None if folder is None else DescriptionModel.load(folder, hypernetwork_digest(folder))

    @checked(description=is_text, examples=are_examples)
    def specialize(self, description: str, examples: Sequence[TaskExample] = ()) -> Adapter:
        """Turn the description of a task into an adapter, and fit examples of the task into it.

        Args:
            description: the description.
            examples: inputs with the right answers.

        Raises:
            ContextError: if the description is empty or longer than the encoder reads, examples contradict each other,
                or one is longer than the base's window.
        """
        adapter = self.specializer.specialize(description)
        return fit_examples(self.base, adapter, examples, prompts=self._prompts_of(adapter))

    @checked(adapter=is_adapter, description=is_text)
    def estimate(self, adapter: Adapter, description: str) -> Adapter:
        """Estimate how likely an adapter does what its description asks, with one forward pass of a few inputs.

        Args:
            adapter: the adapter, from `specialize`.
            description: its description.

        Returns:
            The adapter with the estimate in its provenance. It stays as it is if it has examples or was trained
            further, or if no estimate was fitted for the hypernetwork that made it.

        Raises:
            HypernetworkError: if the file of the estimate is damaged.
        """
        made = adapter.provenance
        if made.num_examples or made.refined_seconds is not None or (model := self.description_model) is None:
            return adapter
        if made.hypernetwork_digest != model.hypernetwork_digest:
            return adapter
        if self._description_probe is None:
            self._description_probe = DescriptionProbe(self.base, self._prompts_of(adapter))
        follows = model.probability(self._description_probe.signals(adapter, description))
        return replace(adapter, provenance=made.model_copy(update={"follows": round(follows, 4)}))

    @checked(adapter=is_adapter, examples=are_examples, seconds=is_seconds)
    def refine_task(
        self, adapter: Adapter, examples: Sequence[TaskExample], *, seconds: float, cancel: CancelToken | None = None
    ) -> Adapter:
        """Train the adapter of a task further by gradient descent, on examples of the task.

        Args:
            adapter: the adapter, from `specialize`.
            examples: inputs with the right answers.
            seconds: time to train.
            cancel: cancels it from another thread.

        Raises:
            ContextError: if there is no example, they contradict each other, or one is longer than the base's window.
        """
        prompts = self._prompts_of(adapter)
        return refine_task(self.base, adapter, examples, seconds=seconds, prompts=prompts, cancel=cancel)

    def _prompts_of(self, adapter: Adapter) -> PromptBuilder:
        """What builds the prompts when the adapter is used."""
        return self.answerer.prompts_for(AdapterStack.of(adapter))

    @cached_property
    def question_writer(self) -> Adapter | None:
        """The adapter that makes the base write questions about a sentence; None if none ships for the base."""
        return shipped.load_question_writer(self.base)

    def with_options(self, options: InternalizerOptions) -> Lorify:
        """Return a model whose document hypernetwork generates adapters with other options.

        Raises:
            HypernetworkError: if the hypernetwork has no such option, or none was loaded.
        """
        models = self.answerer.confidence_model, self.answerer.stated_model
        internalizer = self.internalizer.with_options(options)
        return Lorify(self.base, internalizer, self.task_hypernetwork, *models, self._load_extractor)

    @checked(sources=are_sources, keep=is_keep)
    def internalize(
        self, *sources: ContextSource, keep: Keep = "tokens", report: Callable[[int], None] | None = None
    ) -> Adapter:
        """Turn documents or images into an adapter.

        Args:
            sources: documents or images, or paths of files to read. Images need a hypernetwork that reads images.
            keep: what to keep of their tokens for focusing the adapter on a question, see
                `lorify.hypernets.internalizer.Keep`. Documents that are added later are kept alike.
            report: called with the number of tokens read since the last call.

        Raises:
            ContextError: if there is no source, one cannot be read, or two have the same name.
        """
        adapter = self.internalizer.internalize(_read_named(sources), report)
        return self.internalizer.reduce(adapter, keep)

    @checked(adapter=is_adapter, sources=are_sources)
    def add(self, adapter: Adapter, *sources: ContextSource) -> Adapter:
        """Add documents to an adapter; one with the name of a document already there replaces it.

        Raises:
            ContextError: if a source cannot be read, or two have the same name.
        """
        return self.internalizer.add(adapter, _read_named(sources))

    @checked(adapter=is_adapter, names=are_names)
    def remove(self, adapter: Adapter, *names: str) -> Adapter:
        """Remove documents from an adapter, which then has the weights it would have had without them."""
        return self.internalizer.remove(adapter, names)

    @checked(adapter=is_adapter, sources=are_sources, seconds=is_seconds)
    def refine(
        self, adapter: Adapter, *sources: ContextSource, seconds: float, cancel: CancelToken | None = None
    ) -> Adapter:
        """Train an adapter further by gradient descent, on questions about the sentences of its documents.

        Args:
            adapter: the adapter.
            sources: its documents.
            seconds: time to write questions and to train. It is exceeded only if it is too short for two questions.
            cancel: cancels it from another thread.

        Returns:
            The trained adapter. Documents can no longer be added to it or removed from it.
        """
        documents = [as_text(as_context(source), "--refine") for source in sources]
        return refine(
            self.base,
            adapter,
            documents,
            seconds=seconds,
            prompts=self.answerer.prompts,
            focus=None if self._internalizer is None else focusing(self._internalizer),
            writer=self.question_writer,
            cancel=cancel,
        )

    @checked(adapter=is_adapter, sources=are_sources, seconds=is_seconds)
    def study(
        self, adapter: Adapter, *sources: ContextSource, seconds: float, cancel: CancelToken | None = None
    ) -> Adapter:
        """Improve the adapter that answers all questions alike, which is what exports contain.

        Answers of the focused adapter to questions about the sentences of its documents are fitted into its weights.

        Args:
            adapter: the adapter, with the tokens of its documents.
            sources: its documents.
            seconds: time to write questions, to answer them and to fit the answers. It is exceeded only if it is too
                short for two questions.
            cancel: cancels it from another thread.

        Returns:
            The adapter with other weights. What is focused stays the same. When documents are added or removed, its
            weights become those of the hypernetwork again.

        Raises:
            AdapterError: if the adapter keeps no tokens to focus with, or its hypernetwork cannot focus.
            ContextError: if there is nothing to study.
        """
        documents = [as_text(as_context(source), "--study") for source in sources]
        return study(
            self.base,
            adapter,
            documents,
            seconds=seconds,
            prompts=self.answerer.prompts,
            focus=focusing(self.internalizer),
            writer=self.question_writer,
            cancel=cancel,
        )

    @checked(adapters=are_scaled_adapters)
    def combine(self, adapters: Sequence[tuple[Adapter, float]]) -> AdapterStack:
        """Combine adapters, each with a scale, to answer with all of them.

        Adapters of documents that this hypernetwork made become one adapter, as if their documents had been
        internalized together. The updates of all others, such as adapters of tasks, are added up. An adapter with the
        scale 0 is left out; any other scale changes no answers that are words of a document.
        """
        used = [(adapter, scale) for adapter, scale in adapters if scale]
        if self._internalizer is None:
            return AdapterStack(tuple(used))
        return combine_documents(self._internalizer, used)

    @checked(
        question=is_text,
        document=is_text_or_none,
        not_stated=is_text_or_none,
        max_new_tokens=is_number_of_tokens,
        schema=is_schema,
    )
    def ask(
        self,
        question: str,
        adapter: AdapterLike = None,
        *,
        document: str | None = None,
        only_if_relevant: bool = True,
        not_stated: str | None = None,
        grounded: bool = False,
        max_new_tokens: int = DEFAULT_NEW_TOKENS,
        schema: Mapping[str, Any] | None = None,
    ) -> str:
        """Answer a question with greedy decoding.

        Args:
            question: the question.
            adapter: an adapter, or several combined with `combine`; None asks the bare base.
            document: a document to put in the prompt (in-context learning, the baseline).
            only_if_relevant: leave a question that is not about the adapter's documents to the bare base.
            not_stated: reply in place of an answer that the adapter's documents do not state; None gives any answer.
            grounded: answer only from the documents: reply `not_stated`, or 'The document does not say.', also to a
                question that has nothing to do with them.
            max_new_tokens: maximum length of the answer, in tokens. It also ends where the base's window does.
            schema: JSON schema that the answer matches; an answer in JSON is complete within its maximum length.

        Raises:
            SchemaError: if the schema is invalid or cannot be enforced.
            RequestError: if `grounded` is given with a schema, which the reply would not match.
        """
        _check_grounded(grounded, schema)
        stack = AdapterStack.of(adapter)
        options = GenerationOptions(max_new_tokens, constraint=_constraint(schema))
        query = Query(
            question,
            stack,
            document,
            only_if_relevant=only_if_relevant,
            not_stated=not_stated,
            grounded=grounded,
            schema=options.schema,
        )
        plan = self.answerer.plan_query(query)
        return self.answerer.answer([plan], options)[0].text

    @checked(question=is_text, max_new_tokens=is_number_of_tokens)
    def ask_by_document(
        self, question: str, adapter: AdapterLike, *, max_new_tokens: int = DEFAULT_NEW_TOKENS
    ) -> list[SourcedAnswer]:
        """Answer a question from each document of an adapter that states an answer.

        Returns:
            The different answers with their sources, that of the latest document first.
        """
        request = self.answerer.request(Query(question, AdapterStack.of(adapter), not_stated=NOT_STATED))
        return answer_by_document(self.answerer, request, GenerationOptions(max_new_tokens))

    @checked(
        questions=are_texts, adapters=are_adapters, documents=are_texts_or_none, max_new_tokens=is_number_of_tokens
    )
    def ask_batch(
        self,
        questions: Sequence[str],
        adapters: Sequence[AdapterLike],
        *,
        documents: Sequence[str | None] | None = None,
        turns: Sequence[Sequence[Message]] | None = None,
        only_if_relevant: bool = True,
        max_new_tokens: int = DEFAULT_NEW_TOKENS,
    ) -> list[str]:
        """Answer a batch of questions with greedy decoding, each with its own adapter or none.

        Args:
            questions: the questions.
            adapters: the adapter of each question, as for `ask`.
            documents: a document to put in the prompt of each question.
            turns: turns of the chat before each question, such as examples of a task.
            only_if_relevant: as for `ask`.
            max_new_tokens: maximum length of an answer, in tokens.

        Raises:
            RequestError: if a list has another length than `questions`.
        """
        check_same_lengths(questions, adapters=adapters, documents=documents, turns=turns)
        texts, chats = documents or [None] * len(questions), turns or [()] * len(questions)
        queries = [
            Query(question, AdapterStack.of(adapter), text, tuple(chat), only_if_relevant)
            for question, adapter, text, chat in zip(questions, adapters, texts, chats, strict=True)
        ]
        plans = self.answerer.plan([self.answerer.request(query) for query in queries])
        return [answer.text for answer in self.answerer.answer(plans, GenerationOptions(max_new_tokens))]

    @checked(question=is_text, choices=are_texts, document=is_text_or_none)
    def choose(
        self,
        question: str,
        choices: Sequence[str],
        adapter: AdapterLike = None,
        *,
        document: str | None = None,
        only_if_relevant: bool = True,
    ) -> list[Choice]:
        """Answer a question out of a list, such as the labels of a classification.

        Args:
            question: the question, or the input of a task.
            choices: the possible answers, at least two.
            adapter, document, only_if_relevant: as for `ask`.

        Returns:
            The choices with their probabilities, the most probable one first.

        Raises:
            RequestError: if a choice is empty or given twice, or there are too few, too many or too long ones.
        """
        stack = AdapterStack.of(adapter)
        query = Query(question, stack, document, only_if_relevant=only_if_relevant, may_quote=False)
        return rank_choices(self.base, self.answerer.plan_query(query), choices)

    @checked(messages=are_messages, not_stated=is_text_or_none, max_new_tokens=is_number_of_tokens, schema=is_schema)
    def stream(
        self,
        messages: Sequence[Message],
        adapter: AdapterLike = None,
        *,
        not_stated: str | None = None,
        grounded: bool = False,
        max_new_tokens: int = DEFAULT_NEW_TOKENS,
        temperature: float = 0.0,
        top_p: float = 1.0,
        seed: int | None = None,
        schema: Mapping[str, Any] | None = None,
    ) -> Iterator[str]:
        """Answer a chat and yield the text piece by piece.

        Args:
            messages: the chat so far, each turn with `role` and `content`. The adapter is on if the last question is
                about its documents.
            adapter: as for `ask`.
            not_stated: as for `ask`; the answer comes in one piece then.
            grounded: as for `ask`.
            max_new_tokens: maximum length of the answer, in tokens.
            temperature, top_p, seed: as for `GenerationOptions`.
            schema: as for `ask`.
        """
        _check_grounded(grounded, schema)
        request = self.answerer.chat_request(messages, AdapterStack.of(adapter), not_stated=not_stated)
        options = GenerationOptions(max_new_tokens, temperature, top_p, seed, constraint=_constraint(schema))
        (plan,) = self.answerer.plan([replace(request, grounded=grounded, schema=options.schema)])
        return self.answerer.stream(plan, options)

    @checked(adapter=is_adapter, folder=is_path)
    def save(self, adapter: Adapter, folder: Path | str) -> None:
        """Write an adapter to a folder (safetensors and JSON)."""
        save_adapter(adapter, Path(folder))

    @checked(adapter=is_adapter, folder=is_path)
    def export_parts(
        self,
        adapter: Adapter,
        folder: Path | str,
        format: str = DEFAULT_EXPORT,
        *,
        probe: bool = True,
        max_parts: int | None = None,
        report: Callable[[int, int], None] | None = None,
        cancel: CancelToken | None = None,
    ) -> None:
        """Export an adapter as adapters of a clause each, of which `load_router` chooses one for each question.

        Args:
            adapter: an adapter that keeps the tokens of its documents, or their index.
            folder: folder to write.
            format: export format of the parts, `peft` or `gguf`.
            probe: also run a probe prompt with the first part in the library that the format is for.
            max_parts: an adapter of more parts is refused.
            report: called after each part with 1 and the number of all parts.
            cancel: cancels it from another thread; nothing is written then.

        Raises:
            AdapterError: if the adapter cannot be divided or exported, or `folder` cannot be written.
            HypernetworkError: if the hypernetwork's adapters cannot be divided into parts.
        """
        export_parts(
            self.internalizer,
            adapter,
            Path(folder),
            find_export(format),
            probe=probe,
            max_parts=max_parts,
            report=report,
            cancel=cancel,
        )

    @checked(folder=is_path)
    def load_adapter(self, folder: Path | str) -> Adapter:
        """Read an adapter that was saved.

        Raises:
            AdapterError: if it is damaged or was made for another base.
        """
        return self.attach_weights(shipped.load_adapter_for(self.base, Path(folder)))

    def attach_weights(self, adapter: Adapter) -> Adapter:
        """Give an adapter that was read from disk its weights, if the document hypernetwork rebuilds them.

        Raises:
            AdapterError: if another hypernetwork made it, and this one cannot make it again.
        """
        return adapter if self._internalizer is None else self._internalizer.attach_weights(adapter)


def _read_named(sources: Sequence[ContextSource]) -> list[Context]:
    """Read documents or images that are told apart by their names, as an adapter replaces and removes them by name."""
    contexts = [as_context(source) for source in sources]
    check_different_names([context.name for context in contexts])
    return contexts


def _check_grounded(grounded: bool, schema: Mapping[str, Any] | None) -> None:
    """Refuse a schema for grounded answers, whose reply would not match it."""
    if grounded and schema is not None:
        raise RequestError(
            "the reply of grounded=True would not match a schema; leave it out, and let fields be null that the "
            "documents may not state"
        )


def _constraint(schema: Mapping[str, Any] | None) -> Constraint | None:
    return None if schema is None else json_constraint(schema)
