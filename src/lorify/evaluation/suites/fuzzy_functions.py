"""The suite of fuzzy functions, written for it by hand and by rule, and never trained on."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from lorify.data.tasks.fuzzy import load_fuzzy_functions
from lorify.data.tasks.schema import MeasuredTask
from lorify.evaluation.suites.task_cases import PublishedTasksSuite

DATA_DIR = Path(__file__).with_name("fuzzy")


class FuzzyFunctionsSuite(PublishedTasksSuite):
    """66 functions that are specified in words and have exact outputs, such as FuzzyBench's (arXiv 2607.02512)."""

    name = "fuzzy"
    path: Path = Field(DATA_DIR, description="TOML file or folder of functions; by default the 66 that ship.")
    seeds: int = Field(1, ge=1, description="Number of seeds; they differ in the order of the examples only.")

    def load(self) -> list[MeasuredTask]:
        """Read the functions."""
        return load_fuzzy_functions(self.path)
