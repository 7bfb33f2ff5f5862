"""Programs that a model writes: cut out of its answer, put into their tests, and run."""

from __future__ import annotations

import ast
import subprocess
import sys
import tempfile

from lorify.data.benchmarks.items import ANSWER_MARK, DEFINITIONS_MARK

TIMEOUT_SECONDS = 10.0


def insert_answer(tests: str, answer: str) -> str:
    """Put the program of an answer into its tests.

    Args:
        tests: program with a line `ANSWER_MARK` or `DEFINITIONS_MARK`.
        answer: what the model wrote after the opening of a fenced block; only what comes before its end is used.
    """
    code = answer.partition("```")[0]
    return tests.replace(ANSWER_MARK, code).replace(DEFINITIONS_MARK, keep_definitions(code))


def keep_definitions(program: str) -> str:
    """Keep imports, definitions and assignments of a program, up to the first line that is not Python.

    Models add tests and examples after a function, which may fail or wait for input.
    """
    lines = program.splitlines()
    while lines:
        try:
            body = ast.parse("\n".join(lines)).body
        except (SyntaxError, ValueError):
            lines.pop()
            continue
        kept = (ast.Import, ast.ImportFrom, ast.FunctionDef, ast.ClassDef, ast.Assign, ast.AnnAssign)
        return "\n".join(ast.unparse(node) for node in body if isinstance(node, kept))
    return ""


def passes_tests(program: str, *, timeout_seconds: float = TIMEOUT_SECONDS) -> bool:
    """Run a program in its own process and temporary folder; return whether it exits without an error in time."""
    with tempfile.TemporaryDirectory() as folder:
        try:
            run = subprocess.run(
                [sys.executable, "-I", "-c", program],
                cwd=folder,
                timeout=timeout_seconds,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return False
    return run.returncode == 0
