"""Needle in a haystack: a number hidden in filler text."""

from __future__ import annotations

import random

from pydantic import Field

from lorify.data.sources.niah import generate_niah_example
from lorify.evaluation.suites.api import Suite
from lorify.evaluation.suites.cases import Case
from lorify.facade import Lorify


class NiahSuite(Suite):
    """Needle in a haystack: a number in filler text, by length and depth."""

    name = "niah"
    max_new_tokens = 12
    lengths: tuple[int, ...] = Field((512, 2048, 8192), min_length=1, description="Lengths in tokens.")
    bins: int = Field(10, ge=1, description="Number of depth bins.")
    samples: int = Field(1, ge=1, description="Haystacks for each length and depth.")
    seed: int = Field(0, description="Seed of the numbers and their positions.")

    def build(self, model: Lorify) -> list[Case]:
        """Generate the haystacks."""
        return [case for length in self.lengths for b in range(self.bins) for case in self._cases(model, length, b)]

    def _cases(self, model: Lorify, length: int, depth_bin: int) -> list[Case]:
        rng = random.Random(f"{self.seed}/{length}/{depth_bin}")
        cases = []
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
