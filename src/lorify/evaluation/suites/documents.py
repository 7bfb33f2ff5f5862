"""What is asked: suites of cases. A suite knows nothing of the methods."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path

from pydantic import Field

from lorify.data.examples import Example, Question
from lorify.data.facts.contradictions import contradict
from lorify.data.facts.single_entity import generate_single_entity_example
from lorify.data.sources.general import GENERAL_EVAL_PROMPTS
from lorify.data.sources.niah import generate_niah_example
from lorify.data.sources.public import QUESTION_DATASETS, load_benchmark_examples, load_public_examples
from lorify.data.sources.questions import load_question_examples
from lorify.evaluation.methods.api import BATCH_ROWS
from lorify.evaluation.specs import parse_spec
from lorify.evaluation.suites.cases import Case, Suite, cases_from_examples, draw_cases, fact_examples, make_case
from lorify.evaluation.suites.tasks import TasksSuite
from lorify.facade import Lorify

INTERNALIZED_REQUEST = "Answer the question at the end of the document."


class FactsSuite(Suite):
    """Generated documents of facts about names that training never uses."""

    name = "facts"
    documents: int = Field(34, ge=1, description="Number of documents.")
    questions: int = Field(6, ge=1, description="Questions about each document.")
    pages: int = Field(1, ge=1, description="Pages of about 220 tokens that make up a document.")
    seed: int = Field(0, description="Seed of the documents.")

    def build(self, model: Lorify) -> list[Case]:
        """The cases."""
        examples = fact_examples(self.documents, seed=self.seed, num_questions=self.questions, num_pages=self.pages)
        examples = [replace(example, documents=("\n\n".join(example.documents),)) for example in examples]
        return cases_from_examples(model.base, examples)


class PortraitsSuite(Suite):
    """Generated documents about one thing that they name at the beginning only; names that training never uses."""

    name = "portraits"
    documents: int = Field(34, ge=1, description="Number of documents.")
    questions: int = Field(6, ge=1, description="Questions about each document.")
    seed: int = Field(0, description="Seed of the documents.")

    def build(self, model: Lorify) -> list[Case]:
        """The cases."""
        examples = [
            generate_single_entity_example(
                random.Random(f"{self.seed}/evaluation/{i}"), split="heldout", num_questions=self.questions
            )
            for i in range(self.documents)
        ]
        return cases_from_examples(model.base, examples)


class NiahSuite(Suite):
    """Needle in a haystack: a number in noise, by length and depth."""

    name = "niah"
    max_new_tokens = 12
    lengths: tuple[int, ...] = Field((512, 2048, 8192), min_length=1, description="Lengths in tokens.")
    bins: int = Field(10, ge=1, description="Depth bins.")
    samples: int = Field(1, ge=1, description="Haystacks for each length and depth.")
    seed: int = Field(0, description="Seed of numbers and places.")

    def build(self, model: Lorify) -> list[Case]:
        """The cases."""
        cases = []
        for length in self.lengths:
            for depth_bin in range(self.bins):
                rng = random.Random(f"{self.seed}/{length}/{depth_bin}")
                for sample in range(self.samples):
                    example = generate_niah_example(
                        rng,
                        length_tokens=length,
                        count_tokens=lambda text: len(model.base.encode_text(text)),
                        depth_bin=depth_bin,
                        num_bins=self.bins,
                    )
                    name = f"niah-{length}-{depth_bin}-{sample}"
                    cases.append(Case(name, example.documents, example.questions, "niah", length, depth_bin=depth_bin))
        return cases


class QuestionsSuite(Suite):
    """Reading comprehension from JSON lines of context, question and answers, or a benchmark's .json file."""

    name = "questions"
    path: Path = Field(description="A .jsonl file, a folder of them, or a benchmark's .json file with passages.")
    documents: int = Field(50, ge=1, description="Number of passages to draw.")
    questions: int = Field(4, ge=1, description="At most this many questions about each.")
    seed: int = Field(0, description="Seed of the drawing.")

    def build(self, model: Lorify) -> list[Case]:
        """The cases."""
        load = load_benchmark_examples if self.path.suffix == ".json" else load_question_examples
        return draw_cases(model.base, load(self.path), self.documents, self.questions, self.seed)


class PublicSuite(Suite):
    """A public data set by its name, from the Hugging Face hub or a local copy."""

    name = "public"
    dataset: str = Field("squad", description=f"One of {', '.join(QUESTION_DATASETS)}.")
    path: Path | None = Field(None, description="Local copy: JSON lines with the data set's own fields.")
    documents: int = Field(50, ge=1, description="Number of passages to draw.")
    questions: int = Field(4, ge=1, description="At most this many questions about each.")
    seed: int = Field(0, description="Seed of the drawing.")

    def build(self, model: Lorify) -> list[Case]:
        """The cases."""
        examples = load_public_examples(self.dataset, self.path)
        return draw_cases(model.base, examples, self.documents, self.questions, self.seed)


class ManySuite(Suite):
    """Many questions about one document: the update is paid once."""

    name = "many"
    documents: int = Field(2, ge=1, description="Number of documents.")
    questions: int = Field(100, ge=1, description="Questions about each document.")
    path: Path | None = Field(
        None, description="JSON lines of questions: passages are joined until there are so many; else generated facts."
    )
    seed: int = Field(0, description="Seed of the documents.")

    def build(self, model: Lorify) -> list[Case]:
        """The cases."""
        if self.path is None:
            examples = fact_examples(
                self.documents, seed=self.seed, num_questions=self.questions, num_facts=self.questions
            )
        else:
            examples = self._joined(self.path)
        cases = [Example(e.documents, e.questions, "many") for e in examples]
        return cases_from_examples(model.base, cases)

    def _joined(self, path: Path) -> list[Example]:
        passages = load_question_examples(path)
        random.Random(self.seed).shuffle(passages)
        joined: list[Example] = []
        texts: list[str] = []
        questions: list[Question] = []
        for passage in passages:
            texts += passage.documents
            questions += passage.questions
            if len(questions) >= self.questions:
                joined.append(Example(("\n\n".join(texts),), tuple(questions[: self.questions]), passage.source))
                texts, questions = [], []
            if len(joined) == self.documents:
                break
        return joined or [Example(("\n\n".join(texts),), tuple(questions), "many")]


class InterferenceSuite(Suite):
    """The questions of `facts` with other documents internalized besides, also ones that contradict."""

    name = "interference"
    documents: int = Field(12, ge=1, description="Number of documents that are asked about.")
    questions: int = Field(6, ge=1, description="Questions about each document.")
    others: tuple[int, ...] = Field((0, 1, 3, 7), min_length=1, description="Numbers of other documents.")
    contradicting: bool = Field(
        True, description="Also with a later version of the document, in which each answer is another one."
    )
    seed: int = Field(0, description="Seed of the documents.")

    def build(self, model: Lorify) -> list[Case]:
        """The cases."""
        asked = fact_examples(self.documents, seed=self.seed, num_questions=self.questions)
        cases = []
        for i, example in enumerate(asked):
            pool = fact_examples(max(self.others), seed=1_000_000 * (self.seed + 1) + i)
            rng = random.Random(f"{self.seed}/interference/{i}")
            together: dict[str, Example] = {}
            for num_others in self.others:
                documents = [other.documents[0] for other in pool[:num_others]]
                documents.insert(rng.randint(0, num_others), example.documents[0])
                together[f"{num_others} others"] = Example(tuple(documents), example.questions, "")
            if self.contradicting:
                rival = contradict(example, rng)
                both = (*example.documents, *rival.documents)
                # What is right then, nobody can say: how often each version is told is what one wants to know.
                together["contradicted, first version"] = Example(both, example.questions, "")
                together["contradicted, last version"] = Example(both, rival.questions, "")
            for condition, e in together.items():
                item = Example(e.documents, e.questions, "interference")
                cases.append(make_case(model.base, f"interference-{i}-{condition}", item, condition=condition))
        return cases


class InternalizedQuerySuite(Suite):
    """The question is internalized with its document; what is asked is only to answer it.

    Ask with `adapter:only_if_relevant=false`: no word test can tell that the request concerns the document.
    """

    name = "query"
    documents: int = Field(10, ge=1, description="Number of documents.")
    questions: int = Field(3, ge=1, description="Questions about each document, each a case of its own.")
    seed: int = Field(0, description="Seed of the documents.")

    def build(self, model: Lorify) -> list[Case]:
        """The cases: each question asked, and internalized."""
        cases = []
        for i, example in enumerate(fact_examples(self.documents, seed=self.seed, num_questions=self.questions)):
            for j, question in enumerate(example.questions):
                inside = f"{example.documents[0]}\n\nQuestion: {question.text}"
                request = Question(INTERNALIZED_REQUEST, question.answers)
                for condition, text, what in (
                    ("asked", example.documents[0], question),
                    ("internalized", inside, request),
                ):
                    item = Example((text,), (what,), "query")
                    cases.append(make_case(model.base, f"query-{i}-{j}-{condition}", item, condition=condition))
        return cases


class AgreementSuite(Suite):
    """Prompts that have nothing to do with the document; the bare base's answers are the right ones."""

    name = "agreement"
    max_new_tokens = 64
    documents: int = Field(20, ge=1, description="Number of documents, which take turns.")
    prompts: int = Field(200, ge=1, le=len(GENERAL_EVAL_PROMPTS), description="Number of prompts.")
    seed: int = Field(0, description="Seed of the documents.")

    def build(self, model: Lorify) -> list[Case]:
        """The cases; the base is asked for its answers."""
        prompts = GENERAL_EVAL_PROMPTS[: self.prompts]
        questions = []
        for start in range(0, len(prompts), BATCH_ROWS):
            batch = prompts[start : start + BATCH_ROWS]
            answers = model.ask_batch(batch, [None] * len(batch), max_new_tokens=self.max_new_tokens)
            questions += [Question(*pair) for pair in zip(batch, [(a,) for a in answers], strict=True)]
        examples = fact_examples(min(self.documents, self.prompts), seed=self.seed)
        return [
            make_case(
                model.base,
                f"agreement-{i}",
                Example(example.documents, tuple(questions[i :: len(examples)]), "agreement"),
                answers_are_the_bases=True,
            )
            for i, example in enumerate(examples)
        ]


SUITES: dict[str, type[Suite]] = {
    kind.name: kind
    for kind in (
        FactsSuite,
        PortraitsSuite,
        NiahSuite,
        QuestionsSuite,
        PublicSuite,
        ManySuite,
        InterferenceSuite,
        InternalizedQuerySuite,
        AgreementSuite,
        TasksSuite,
    )
}


def parse_suite(text: str, more: dict[str, type[Suite]] | None = None) -> Suite:
    """Read a suite from `NAME[:option=value...]`, or `PATH[:option=value...]` of a JSON lines file or folder.

    Args:
        text: the suite.
        more: further kinds, by name.

    Raises:
        EvaluationError: if it is neither, or an option is wrong.
    """
    kinds = SUITES | (more or {})
    name, separator, options = text.partition(":")
    if name not in kinds and Path(name).exists():
        text = f"{QuestionsSuite.name}:path={name}{separator}{options}"
    return parse_spec(text, kinds, "suite")
