"""The adapter as other programs get it: exported to the PEFT format, and asked through transformers and peft."""

from __future__ import annotations

import itertools
import shutil
import weakref
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import mkdtemp
from typing import Any, Self

import torch
from pydantic import Field, model_validator

from lorify import shipped
from lorify.adapters import Adapter, AdapterStack, export_peft
from lorify.adapters.probes import load_with_peft
from lorify.answering.answerer import Answer, Answerer
from lorify.answering.parts.router import PartRouter
from lorify.answering.plan import AnswerPlan, Query
from lorify.base.chat.prompts import PromptBuilder
from lorify.base.decoding.sampling import GenerationOptions
from lorify.base.model import BaseLM
from lorify.evaluation.methods.api import Ingest, Method, PreparedCase
from lorify.evaluation.methods.contexts import case_contexts
from lorify.evaluation.methods.internalized import internalize_and_study, prepare_adapter
from lorify.evaluation.suites.cases import Case
from lorify.extraction.extractor import Extractor
from lorify.facade import Lorify


class PeftAnswerer(Answerer):
    """Answers with transformers' `generate` and adapters that the package peft loads from exported folders.

    It decodes greedily, and it neither focuses adapters nor switches them off.
    """

    def __init__(self, base: BaseLM, prompts: PromptBuilder) -> None:
        """Start without exported adapters.

        Args:
            base: the base; peft gets a copy of its model that shares its weights.
            prompts: builds the prompts, in the chat form that the hypernetwork was trained on.
        """
        super().__init__(base)
        self.prompts = prompts
        self._exports = Path(mkdtemp(prefix="lorify-exported-"))
        weakref.finalize(self, shutil.rmtree, self._exports, ignore_errors=True)
        self._numbers = itertools.count()
        self._folders: dict[int, Path] = {}

    def export(self, adapter: Adapter) -> None:
        """Write an adapter to a PEFT folder, from which its questions are answered; it is deleted with the adapter."""
        folder = self.new_folder(adapter)
        export_peft(adapter, self.base, folder, probe=False)
        self.use_folder(adapter, folder)

    def new_folder(self, adapter: Adapter) -> Path:
        """Return the path of a folder to write, which is deleted with an adapter."""
        folder = self._exports / str(next(self._numbers))
        weakref.finalize(adapter, shutil.rmtree, folder, ignore_errors=True)
        return folder

    def use_folder(self, adapter: Adapter, folder: Path) -> None:
        """Answer the questions of an adapter from a PEFT folder."""
        self._folders[id(adapter)] = folder

    def folder(self, adapter: Adapter) -> Path:
        """Return the PEFT folder of an exported adapter."""
        return self._folders[id(adapter)]

    def answer(
        self, plans: Sequence[AnswerPlan], options: GenerationOptions, *, with_confidence: bool = False
    ) -> list[Answer]:
        """Answer the questions of each adapter in one batch.

        Args:
            plans: prompts, each with one adapter or none.
            options: limits of the answers.
            with_confidence: ignored: other programs have no confidence.
        """
        by_folder: dict[Path | None, list[int]] = {}
        for i, plan in enumerate(plans):
            by_folder.setdefault(self._folder_of(plan), []).append(i)
        answers: dict[int, Answer] = {}
        for folder, rows in by_folder.items():
            found = self._generate(folder, [plans[i].prompt_ids for i in rows], options)
            answers |= {
                i: Answer(self.base.decode_text(ids).strip(), adapter_on=folder is not None)
                for i, ids in zip(rows, found, strict=True)
            }
        return [answers[i] for i in range(len(plans))]

    def stream_ids(self, plan: AnswerPlan, options: GenerationOptions) -> Iterator[int]:
        """Yield the tokens of an answer; all are generated before the first is returned."""
        yield from self._generate(self._folder_of(plan), [plan.prompt_ids], options)[0]

    def _folder_of(self, plan: AnswerPlan) -> Path | None:
        """The PEFT folder of the adapter of a plan; None for the bare base."""
        folders = [self.folder(adapter) for adapter in plan.adapters.adapters]
        assert len(folders) <= 1
        return folders[0] if folders else None

    @torch.no_grad()
    def _generate(
        self, folder: Path | None, prompts: Sequence[Sequence[int]], options: GenerationOptions
    ) -> list[list[int]]:
        """Continue prompts with the adapter of a folder or with the base, without the tokens that end an answer."""
        model: Any = self.base.model if folder is None else load_with_peft(self.base, folder)
        length = max(map(len, prompts))
        ids = torch.zeros(len(prompts), length, dtype=torch.long)
        mask = torch.zeros_like(ids)
        for row, prompt in enumerate(prompts):  # padded on the left, so that all answers begin at the same position
            ids[row, length - len(prompt) :] = torch.tensor(prompt)
            mask[row, length - len(prompt) :] = 1
        generated = model.generate(
            input_ids=ids.to(self.base.device),
            attention_mask=mask.to(self.base.device),
            max_new_tokens=options.max_new_tokens,
            do_sample=False,
            eos_token_id=sorted(self.stop_ids),
            pad_token_id=min(self.stop_ids),
        )
        return [_until_stop(row, self.stop_ids) for row in generated[:, length:].tolist()]


class Exported(Method):
    """The hypernetwork's adapter as a PEFT folder, asked with transformers and peft as its users do."""

    name = "exported"
    uses = "documents"
    follows_schemas = False  # transformers' `generate` has no constraint on the form of an answer
    study: float | None = Field(None, gt=0, description="Seconds of study before the export, as `--study`.")
    parts: bool = Field(False, description="Export in parts, and choose one for each question, as `--parts`.")

    @model_validator(mode="after")
    def _is_not_studied_in_parts(self) -> Self:
        if self.parts and self.study is not None:
            raise ValueError("an adapter that was studied cannot be exported in parts; give study or parts")
        return self

    def load(self, model: Lorify, max_new_tokens: int) -> Ingest:
        """Return a function that internalizes the documents and exports the adapter."""
        answerer = PeftAnswerer(model.base, model.answerer.prompts)
        extractor = shipped.load_extractor_for(None) if self.parts else None  # as `load_router`

        def ingest(case: Case) -> PreparedCase:
            adapter = internalize_and_study(model, case_contexts(case), self.study)
            if self.parts:
                return _prepare_parts(model, adapter, answerer, extractor)
            answerer.export(adapter)
            return prepare_adapter(adapter, only_if_relevant=False, focus=False, answerer=answerer)

        return ingest


def _prepare_parts(
    model: Lorify, adapter: Adapter, answerer: PeftAnswerer, extractor: Extractor | None
) -> PreparedCase:
    """Export an adapter in parts, and prepare a case whose questions go to the part that the router chooses."""
    folder = answerer.new_folder(adapter)
    model.export_parts(adapter, folder)
    router = PartRouter.load(folder, extractor)
    chosen: dict[str, Adapter] = {}  # stands for the part of this name

    def query_for(question: str) -> Query:
        part = router.choose(question)
        if part is None:
            return Query(question, only_if_relevant=False, focus=False)
        if part.adapter not in chosen:
            chosen[part.adapter] = replace(adapter)
            answerer.use_folder(chosen[part.adapter], folder / part.adapter)
        return Query(question, AdapterStack.of(chosen[part.adapter]), only_if_relevant=False, focus=False)

    return PreparedCase(query_for, adapter, answerer=answerer)


def _until_stop(ids: Sequence[int], stop_ids: set[int]) -> list[int]:
    end = next((i for i, token in enumerate(ids) if token in stop_ids), len(ids))
    return list(ids[:end])
