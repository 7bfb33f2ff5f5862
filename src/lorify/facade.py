"""The façade: a loaded base with its hypernetwork, and the user's verbs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from pathlib import Path

import torch
from PIL.Image import Image

from lorify.adapters import Adapter, AdapterLike, AdapterStack, build_lora_batch
from lorify.adapters.storage import load_adapter, save_adapter
from lorify.base.chat import Message, asked_last, build_prompt_ids, question_messages, stop_token_ids, with_system_turn
from lorify.base.files import DEFAULT_BASE
from lorify.base.generation import generate_batch, stream_tokens
from lorify.base.model import BaseLM, load_base
from lorify.base.sampling import DEFAULT_NEW_TOKENS, GenerationOptions
from lorify.contexts.images import Context, as_text, read_context, read_picture
from lorify.errors import AdapterError, HypernetworkError
from lorify.hypernets.internalizer import DocumentInternalizer
from lorify.hypernets.refinement.distillation import refine
from lorify.hypernets.registry import load_internalizer, load_specializer
from lorify.hypernets.specializer import Specializer

SHIPPED_HYPERNETWORKS = {DEFAULT_BASE: Path(__file__).parent / "pretrained" / "smollm2-135m"}
SHIPPED_TASK_HYPERNETWORKS = {DEFAULT_BASE: Path(__file__).parent / "pretrained" / "smollm2-135m-tasks"}
SHIPPED_QUESTION_WRITERS = {DEFAULT_BASE: Path(__file__).parent / "pretrained" / "smollm2-135m-questions"}

Source = Context | Image | Path | str
"""A document or an image, or the path of one (`-` is standard input)."""


class Lorify:
    """A base model that learns documents, and tasks from their descriptions, in one forward pass.

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
        self, base: BaseLM, internalizer: DocumentInternalizer | None, task_hypernetwork: Path | None = None
    ) -> None:
        """Join a base and the hypernetworks that were made for it, where there are any.

        Args:
            base: the base.
            internalizer: its document hypernetwork.
            task_hypernetwork: folder of its task hypernetwork, which is loaded when it is needed first, and with it the
                description encoder.
        """
        self.base = base
        self._internalizer = internalizer
        self.task_hypernetwork = task_hypernetwork
        self._specializer: Specializer | None = None

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

    @property
    def specializer(self) -> Specializer:
        """The task hypernetwork with its description encoder.

        Raises:
            HypernetworkError: if there is none, it is damaged, or it was made for another base or encoder.
            ContextError: if the description encoder cannot be found, fetched or read.
        """
        if self._specializer is None:
            if self.task_hypernetwork is None:
                raise HypernetworkError(
                    f"no task hypernetwork ships for base {self.base.name}; train one with `lorify train` (a config of "
                    "kind task or system_message) and give it with --task-hypernetwork"
                )
            self._specializer = load_specializer(self.base, self.task_hypernetwork)
        return self._specializer

    def specialize(self, description: str) -> Adapter:
        """Turn the description of a task into an adapter.

        Raises:
            ContextError: if the description is empty or longer than the encoder reads.
        """
        return self.specializer.specialize(description)

    @cached_property
    def question_writer(self) -> Adapter | None:
        """The adapter with which the base writes questions about a sentence; None where none ships for the base."""
        folder = SHIPPED_QUESTION_WRITERS.get(self.base.name)
        if folder is None or not folder.is_dir():
            return None
        writer = load_adapter(folder)
        return writer if writer.provenance.base_digest == self.base.digest else None

    def internalize(self, *sources: Source, report: Callable[[int], None] | None = None) -> Adapter:
        """Turn one or several documents or images into an adapter.

        Args:
            sources: documents or images, or paths of files to read; images need a hypernetwork that reads them.
            report: called with the number of tokens read since the last call.
        """
        return self.internalizer.internalize([_as_context(source) for source in sources], report)

    def add(self, adapter: Adapter, *sources: Source) -> Adapter:
        """The adapter with more documents; those whose name it holds already are replaced."""
        return self.internalizer.add(adapter, [_as_context(source) for source in sources])

    def remove(self, adapter: Adapter, *names: str) -> Adapter:
        """The adapter without the named documents: the same weights as if they had never been there."""
        return self.internalizer.remove(adapter, names)

    def refine(self, adapter: Adapter, *sources: Source, seconds: float) -> Adapter:
        """Train an adapter further by gradient descent, on questions about the sentences of its documents.

        Args:
            adapter: what was internalized.
            sources: its documents.
            seconds: how long.

        Returns:
            The trained adapter; documents can no longer be added to it or removed.
        """
        documents = [as_text(_as_context(source), "--refine") for source in sources]
        focus = None if self._internalizer is None else self._internalizer.focused
        return refine(self.base, adapter, documents, seconds=seconds, focus=focus, writer=self.question_writer)

    def combine(self, adapters: Sequence[tuple[Adapter, float]]) -> AdapterStack:
        """What a prompt runs with when several adapters with scales are active.

        Adapters that this hypernetwork made of documents are solved together; others, such as of tasks, are added up.
        """
        made = [part for part in adapters if self._internalizer and self._internalizer.can_rebuild(part[0])]
        if self._internalizer and len(made) > 1:
            others = [part for part in adapters if not any(part is known for known in made)]
            adapters = [(self._internalizer.combine(made), 1.0), *others]
        return AdapterStack(tuple(adapters))

    def for_question(
        self, adapter: AdapterLike, question: str, *, only_if_relevant: bool = True, focus: bool = True
    ) -> AdapterStack:
        """What a question is answered with: adapters whose documents it concerns, focused on what it is about.

        Adapters that this hypernetwork did not make are taken as they are, and so are those that were focused before.

        Args:
            adapter: what was internalized.
            question: the question.
            only_if_relevant: leave adapters out whose documents the question does not concern; None if none is left.
            focus: see `focus`.
        """
        stack, hypernetwork = AdapterStack.of(adapter), self._internalizer
        if stack.is_empty or hypernetwork is None:
            return stack
        kept = tuple(part for part in stack if not only_if_relevant or hypernetwork.is_relevant(part[0], question))
        return self.focus([AdapterStack(kept)], [question])[0] if focus else AdapterStack(kept)

    def focus(self, adapters: Sequence[AdapterLike], questions: Sequence[str]) -> list[AdapterStack]:
        """Adapters for these questions alone, from the parts of their documents that answer them.

        Adapters that cannot be focused are taken as they are; see `lorify.hypernets.associative.focus`.

        Args:
            adapters: what was internalized, for each question.
            questions: the questions.
        """
        hypernetwork = self._internalizer
        stacks = [AdapterStack.of(row) for row in adapters]
        if hypernetwork is None:
            return stacks
        asked = {(id(part), q): part for stack, q in zip(stacks, questions, strict=True) for part in stack.adapters}
        focused = hypernetwork.focused(list(asked.values()), [question for _, question in asked])
        found = dict(zip(asked, focused, strict=True))
        return [
            AdapterStack(tuple((found[id(part), q], scale) for part, scale in stack))
            for stack, q in zip(stacks, questions, strict=True)
        ]

    def ask(
        self,
        question: str,
        adapter: AdapterLike = None,
        *,
        document: str | None = None,
        only_if_relevant: bool = True,
        max_new_tokens: int = DEFAULT_NEW_TOKENS,
    ) -> str:
        """Answer a question, greedily.

        Args:
            question: the question.
            adapter: what was internalized; None asks the bare base.
            document: a document to put in the prompt (in-context learning, the baseline).
            only_if_relevant: leave a question that does not concern the adapter's documents to the bare base.
            max_new_tokens: longest answer, in tokens.
        """
        return self.ask_batch(
            [question],
            [adapter],
            documents=[document],
            only_if_relevant=only_if_relevant,
            max_new_tokens=max_new_tokens,
        )[0]

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
        """Answer a batch of questions, each with its own adapter (or none), greedily.

        Args:
            questions: the questions.
            adapters: what was internalized for each.
            documents: a document to put in the prompt of each, as for `ask`.
            turns: turns of the chat before each question, such as examples of a task.
            only_if_relevant: as for `ask`.
            max_new_tokens: longest answer, in tokens.
        """
        texts = documents or [None] * len(questions)
        before = turns or [()] * len(questions)
        active = [
            self.for_question(row, question, only_if_relevant=only_if_relevant, focus=False)
            for row, question in zip(adapters, questions, strict=True)
        ]
        prompts = [
            self.prompt_ids([*said, *question_messages(question, text)])
            for said, question, text in zip(before, questions, texts, strict=True)
        ]
        answers = generate_batch(
            self.base,
            prompts,
            GenerationOptions(max_new_tokens),
            lora=build_lora_batch(self.focus(active, questions), self.base),
            stop_ids=self._stop_ids(),
        )
        return [self.base.decode_text(answer).strip() for answer in answers]

    def stream(
        self,
        messages: list[dict[str, str]],
        adapter: AdapterLike = None,
        *,
        max_new_tokens: int = DEFAULT_NEW_TOKENS,
        temperature: float = 0.0,
        top_p: float = 1.0,
        seed: int | None = None,
    ) -> Iterator[str]:
        """Answer a chat, piece by piece as the text comes.

        Args:
            messages: the chat so far, each with `role` and `content`; the adapter is on if the last question concerns
                its documents.
            adapter: what was internalized; None asks the bare base.
            max_new_tokens: longest answer, in tokens.
            temperature: 0 is greedy.
            top_p: nucleus of the sampling.
            seed: seed of the sampling.
        """
        adapter = self.for_question(adapter, asked_last(messages))
        ids: list[int] = []
        shown = ""
        for token in stream_tokens(
            self.base,
            self.prompt_ids(messages),
            GenerationOptions(max_new_tokens, temperature, top_p, seed),
            lora=build_lora_batch([adapter], self.base),
            stop_ids=self._stop_ids(),
        ):
            ids.append(token)
            text = self.base.decode_text(ids).lstrip()  # answers of an adapter begin with a space
            # A character may need several tokens; until it is whole the decoder shows a replacement character.
            if not text.endswith("�"):
                yield text[len(shown) :]
                shown = text

    def save(self, adapter: Adapter, folder: Path | str) -> None:
        """Write an adapter to a folder (safetensors and JSON)."""
        save_adapter(adapter, Path(folder))

    def load_adapter(self, folder: Path | str) -> Adapter:
        """Read an adapter that was saved.

        Raises:
            AdapterError: if it is damaged or was made for another base.
        """
        adapter = load_adapter(Path(folder))
        try:
            adapter.check_base(self.base)
        except AdapterError as error:
            raise AdapterError(f"{folder}: {error}") from error
        return adapter

    def prompt_ids(self, messages: Sequence[Message]) -> list[int]:
        """Token ids of a chat, as the document hypernetwork was trained to have it begin."""
        if self._internalizer is not None and self._internalizer.system_turn:
            messages = with_system_turn(messages)
        return build_prompt_ids(self.base.tokenizer, messages)

    def _stop_ids(self) -> set[int]:
        return stop_token_ids(self.base.tokenizer, self.base.model.generation_config)


def load(
    base: str = DEFAULT_BASE,
    *,
    hypernetwork: Path | str | None = None,
    task_hypernetwork: Path | str | None = None,
    dtype: torch.dtype | None = None,
    device: torch.device | str | None = None,
) -> Lorify:
    """Load a base model and the hypernetworks that were trained for it.

    Args:
        base: default name, Hugging Face id, local folder or GGUF file.
        hypernetwork: folder of a hypernetwork; by default the one that ships for the base, if one does.
        task_hypernetwork: the same for tasks.
        dtype: dtype of the base's weights; by default the fastest for the device.
        device: where to run; by default CUDA, MPS or the CPU.
    """
    loaded = load_base(base, dtype=dtype, device=device)
    folder = Path(hypernetwork) if hypernetwork is not None else SHIPPED_HYPERNETWORKS.get(base)
    task_folder = Path(task_hypernetwork) if task_hypernetwork is not None else shipped_task_hypernetwork(base)
    return Lorify(loaded, None if folder is None else load_internalizer(loaded, folder), task_folder)


def shipped_task_hypernetwork(base: str) -> Path | None:
    """Folder of the task hypernetwork that ships for a base, if one does."""
    folder = SHIPPED_TASK_HYPERNETWORKS.get(base)
    return folder if folder is not None and folder.is_dir() else None


def specialize(description: str, base: str = DEFAULT_BASE, *, task_hypernetwork: Path | str | None = None) -> Adapter:
    """Load a base and turn the description of a task into an adapter; for several, load once and keep the `Lorify`."""
    return load(base, task_hypernetwork=task_hypernetwork).specialize(description)


def _as_context(source: Source) -> Context:
    if isinstance(source, Image):
        return read_picture(source)
    return read_context(source) if isinstance(source, str | Path) else source
