"""The programs that a model writes for HumanEval and MBPP, joined with their tests."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any


def build_program(document: Mapping[str, Any], answer: str) -> str:
    """Join the code in an answer with the tests of its item.

    Args:
        document: item of HumanEval (with `entry_point`) or MBPP.
        answer: code, or text with a fenced code block.
    """
    fenced = re.search(r"```(?:python)?\n(.*?)(?:```|$)", answer, re.DOTALL)
    code = fenced.group(1) if fenced else answer
    if "entry_point" not in document:  # MBPP
        return "\n".join([document.get("test_setup_code") or "", code, *document["test_list"]])
    if f"def {document['entry_point']}" not in code:
        code = document["input"] + code
    return f"{code}\n{document['test']}\ncheck({document['entry_point']})\n"
