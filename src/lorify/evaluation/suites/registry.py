"""The registry of suites, and the parser of their text form."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from lorify.evaluation.specs import parse_spec
from lorify.evaluation.suites.agreement import AgreementSuite
from lorify.evaluation.suites.api import Suite
from lorify.evaluation.suites.benchmarks import BenchmarksSuite
from lorify.evaluation.suites.bigbench import BigBenchSuite
from lorify.evaluation.suites.chats import ChatsSuite
from lorify.evaluation.suites.doc_to_lora import DocToLoraSuite
from lorify.evaluation.suites.document_tasks import DocumentTasksSuite
from lorify.evaluation.suites.everyday import EverydaySuite
from lorify.evaluation.suites.facts import FactsSuite, ManySuite, SingleEntitySuite
from lorify.evaluation.suites.fuzzy_functions import FuzzyFunctionsSuite
from lorify.evaluation.suites.imagenette import ImagenetteSuite
from lorify.evaluation.suites.images import DigitsSuite, ImagesSuite
from lorify.evaluation.suites.instruction_induction import InstructionInductionSuite
from lorify.evaluation.suites.interference import InterferenceSuite
from lorify.evaluation.suites.natural import NaturalTasksSuite
from lorify.evaluation.suites.niah import NiahSuite
from lorify.evaluation.suites.query import InternalizedQuerySuite
from lorify.evaluation.suites.questions import PublicSuite, QuestionsSuite
from lorify.evaluation.suites.records import RecordsSuite
from lorify.evaluation.suites.tables import TablesSuite
from lorify.evaluation.suites.tasks import TasksSuite
from lorify.evaluation.suites.unanswerable import UnanswerableSuite

SUITES: tuple[type[Suite], ...] = (
    FactsSuite,
    SingleEntitySuite,
    NiahSuite,
    QuestionsSuite,
    PublicSuite,
    DocToLoraSuite,
    ManySuite,
    InterferenceSuite,
    InternalizedQuerySuite,
    AgreementSuite,
    EverydaySuite,
    UnanswerableSuite,
    ChatsSuite,
    TablesSuite,
    RecordsSuite,
    TasksSuite,
    BenchmarksSuite,
    InstructionInductionSuite,
    NaturalTasksSuite,
    BigBenchSuite,
    FuzzyFunctionsSuite,
    DocumentTasksSuite,
    ImagesSuite,
    DigitsSuite,
    ImagenetteSuite,
)


def parse_suite(text: str, more: Iterable[type[Suite]] = ()) -> Suite:
    """Read a suite from `NAME[:option=value...]`, or from `PATH[:option=value...]` of a JSON Lines file or folder.

    Args:
        text: the suite.
        more: suites beside those of the registry.

    Raises:
        EvaluationError: if it is neither, or an option is wrong.
    """
    suites = {suite.name: suite for suite in (*SUITES, *more)}
    name, separator, options = text.partition(":")
    if name not in suites and Path(name).exists():
        text = f"{QuestionsSuite.name}:path={name}{separator}{options}"
    return parse_spec(text, suites, "suite")
