"""The base class of suites.

A suite knows nothing about methods. To add one, write a subclass in a file of its own and list it in `registry.py`.
"""

from __future__ import annotations

from typing import ClassVar

from lorify.evaluation.specs import Spec
from lorify.evaluation.suites.cases import Case, CaseKind
from lorify.facade import Lorify


class Suite(Spec):
    """A set of questions, and the options that it is built with.

    Attributes:
        kind: what the cases are about; only methods for this kind can answer them.
        default_methods: methods that answer the suite when the user names none.
        max_new_tokens: maximum answer length in tokens, unless the user or a case sets another one.
    """

    kind: ClassVar[CaseKind] = "documents"
    default_methods: ClassVar[str] = "none,icl,rag,adapter"
    max_new_tokens: ClassVar[int] = 48

    def build(self, model: Lorify) -> list[Case]:
        """Build the cases; the same options give the same cases.

        Args:
            model: base model (its tokenizer counts tokens) and hypernetworks.

        Raises:
            EvaluationError: if the data cannot be read or contains no question.
        """
        raise NotImplementedError
