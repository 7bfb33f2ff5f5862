"""What a run needs before its first step: passages, the base's own answers to unrelated prompts, word weights."""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from lorify.atomic import replaced_file
from lorify.base.chat import build_prompt_ids, question_messages, stop_token_ids
from lorify.base.generation import generate_batch
from lorify.base.model import BaseLM
from lorify.base.sampling import GenerationOptions
from lorify.contexts.line_wraps import join_wrapped_lines
from lorify.data.examples import Example
from lorify.data.facts.generate import generate_fact_example
from lorify.data.sources.general import general_training_prompts
from lorify.data.sources.niah import generate_niah_example
from lorify.data.sources.questions import load_question_examples, split_by_passage
from lorify.data.sources.texts import load_text_examples
from lorify.errors import ConfigError
from lorify.hypernets.associative.relevance import Relevance, fit_relevance
from lorify.hypernets.associative.training_config import AssociativeTrainingConfig
from lorify.hypernets.training_data import ContextMix
from lorify.training.associative.batches import GeneralAnswer
from lorify.training.engine.run_folder import writing

ANSWERS_NAME = "general-answers.json"
PROMPTS_AT_ONCE = 16
RELEVANCE_EXAMPLES = 1500


class Preparation(NamedTuple):
    """What a kind of run may use before its first step.

    Attributes:
        run_dir: folder of the run, for what is worth keeping; it may not exist yet.
        load_base: loads the base of a name; to be called after the data was read, so that bad data is refused at once.
        counting: shows a bar: (what is done, what is counted) -> a context whose value is called with the number of
            units done since the last call and of all.
    """

    run_dir: Path
    load_base: Callable[[str], BaseLM]
    counting: Callable[[str, str], AbstractContextManager[Callable[[int, int], None]]]


class _AnswersFile(BaseModel):
    """The base's answers on disk, and what they depend on."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    base_digest: str = Field(description="SHA-256 of the base's weights.")
    prompts_digest: str = Field(description="SHA-256 of the prompts' token ids.")
    max_new_tokens: int = Field(description="Longest answer, in tokens.")
    answers: list[list[int]] = Field(description="Token ids of each answer, in the prompts' order.")


def prepare_general_answers(
    base: BaseLM, run_dir: Path, max_new_tokens: int, report: Callable[[int, int], None]
) -> list[GeneralAnswer]:
    """The base's own greedy answers to the unrelated training prompts; computed once and kept in the run folder.

    Args:
        base: the bare base.
        run_dir: folder of the run; made if it is missing.
        max_new_tokens: longest answer, in tokens; longer ones are cut.
        report: called with the number of prompts answered since the last call and the number of all prompts.

    Raises:
        TrainingError: if the run folder cannot be written.
    """
    prompts = [build_prompt_ids(base.tokenizer, question_messages(prompt)) for prompt in general_training_prompts()]
    digest = hashlib.sha256(json.dumps(prompts).encode()).hexdigest()
    path = run_dir / ANSWERS_NAME
    answers = _read_answers(path, base.digest, digest, max_new_tokens)
    if answers is None:
        answers = _generate_answers(base, prompts, max_new_tokens, report)
        kept = _AnswersFile(
            base_digest=base.digest, prompts_digest=digest, max_new_tokens=max_new_tokens, answers=answers
        )
        with writing(run_dir), replaced_file(path) as temporary:
            temporary.write_text(kept.model_dump_json() + "\n", encoding="utf-8")
    # An empty answer has no token to keep.
    return [
        GeneralAnswer(tuple(prompt), tuple(answer)) for prompt, answer in zip(prompts, answers, strict=True) if answer
    ]


def _generate_answers(
    base: BaseLM, prompts: Sequence[Sequence[int]], max_new_tokens: int, report: Callable[[int, int], None]
) -> list[list[int]]:
    # Prompts of like length go together, so that little is padding.
    order = sorted(range(len(prompts)), key=lambda i: len(prompts[i]))
    answers: list[list[int]] = [[] for _ in prompts]
    stop_ids = stop_token_ids(base.tokenizer, base.model.generation_config)
    for start in range(0, len(order), PROMPTS_AT_ONCE):
        group = order[start : start + PROMPTS_AT_ONCE]
        new = generate_batch(
            base, [prompts[i] for i in group], GenerationOptions(max_new_tokens), lora=None, stop_ids=stop_ids
        )
        for i, answer in zip(group, new, strict=True):
            answers[i] = answer
        report(len(group), len(prompts))
    return answers


def _read_answers(path: Path, base_digest: str, prompts_digest: str, max_new_tokens: int) -> list[list[int]] | None:
    """Answers of an earlier start of the run; None if there are none for this base, these prompts and this length."""
    try:
        kept = _AnswersFile.model_validate_json(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValidationError, UnicodeDecodeError):
        return None
    wanted = (base_digest, prompts_digest, max_new_tokens)
    return kept.answers if (kept.base_digest, kept.prompts_digest, kept.max_new_tokens) == wanted else None


def prepare_relevance(config: AssociativeTrainingConfig, passages: Sequence[Example]) -> Relevance:
    """The word test that decides when an adapter is on, fitted to the kinds of documents that the run trains on."""
    rng = random.Random(f"{config.seed}/relevance")
    examples = list(rng.sample(passages, min(len(passages), RELEVANCE_EXAMPLES)))
    if config.data.facts or not passages:
        examples += [generate_fact_example(rng) for _ in range(RELEVANCE_EXAMPLES)]
    # Every needle context has the same words, so one is enough.
    examples.append(generate_niah_example(rng, length_tokens=256, count_tokens=lambda text: len(text.split())))
    rng.shuffle(examples)
    pairs = [(rng.choice(example.questions).text, "\n".join(example.documents)) for example in examples]
    return fit_relevance(pairs, general_training_prompts())


def prepare_passages(data: ContextMix) -> tuple[list[Example], list[Example]]:
    """Natural passages with questions to train on, and whole other passages held out; none without a path.

    Raises:
        EvaluationError: if the path is missing, a line is no question, or none is left within the length limits.
        ConfigError: if none can be held out.
    """
    if data.questions_path is None or data.questions == 0:
        return [], []
    examples = load_question_examples(
        data.questions_path, max_context_chars=data.max_context_chars, max_answer_chars=data.max_answer_chars
    )
    return _split(examples, "data.questions_path", data.questions_path)


def prepare_texts(config: AssociativeTrainingConfig) -> tuple[list[Example], list[Example]]:
    """Passages of plain documents to train on, and others held out; none without a path.

    Raises:
        EvaluationError: if the path is missing, a line is no document, or no passage is left.
        ConfigError: if none can be held out.
    """
    data = config.data
    if data.texts_path is None or data.texts == 0:
        return [], []
    examples = load_text_examples(data.texts_path, max_context_chars=data.max_context_chars)
    return _split(examples, "data.texts_path", data.texts_path)


def _as_read(example: Example) -> Example:
    """The example with its texts as they are when they are read from files."""
    questions = tuple(
        replace(question, answers=tuple(" ".join(answer.split()) for answer in question.answers))
        for question in example.questions
    )
    return replace(example, documents=tuple(map(join_wrapped_lines, example.documents)), questions=questions)


def _split(examples: Sequence[Example], key: str, path: Path) -> tuple[list[Example], list[Example]]:
    train, heldout = (list(map(_as_read, part)) for part in split_by_passage(examples))
    if not train or not heldout:
        raise ConfigError(
            f"{key} {path} holds only one passage, or retellings of one; give at least two, so that one can be held out"
        )
    return train, heldout
