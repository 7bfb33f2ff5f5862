"""The default base with the hypernetwork that ships: a run can be repeated."""

import json

import pytest
from typer.testing import CliRunner

from lorify.cli import app
from lorify.evaluation.runs.folder import ANSWERS_NAME, CONFIG_NAME

pytestmark = [pytest.mark.shipped, pytest.mark.slow]  # tests/evaluation/runs/test_runner.py repeats a tiny run
MEASURED = ("update_seconds", "update_peak_bytes", "first_token_seconds", "seconds_per_token", "answer_peak_bytes")


def unmeasured(line: bytes) -> str:
    """A line of a run, all that it says but times and peaks."""
    row = json.loads(line)
    assert all(key in row for key in MEASURED)
    return json.dumps({key: value for key, value in row.items() if key not in MEASURED})


def test_the_same_evaluation_gives_the_same_bytes_but_for_times_and_peaks(tmp_path):
    runs = [tmp_path / "one", tmp_path / "other"]
    for run in runs:  # each loads base and hypernetwork anew, and asks both question by question and in batches
        command = [
            "eval",
            "run",
            "facts:documents=2:questions=3:seed=5",
            "-m",
            "none,icl,adapter",
            "--max-tokens",
            "16",
        ]
        result = CliRunner().invoke(app, [*command, "-o", str(run)])
        assert result.exit_code == 0, result.output
    one, other = ((run / ANSWERS_NAME).read_bytes().splitlines() for run in runs)
    assert [unmeasured(line) for line in one] == [unmeasured(line) for line in other]
    assert len(one) == 18 and (runs[0] / CONFIG_NAME).read_bytes() == (runs[1] / CONFIG_NAME).read_bytes()
    exact = [row["exact"] for row in map(json.loads, one) if row["method"] == "adapter"]
    assert sum(exact) >= 3  # of 6: answers that mean something
