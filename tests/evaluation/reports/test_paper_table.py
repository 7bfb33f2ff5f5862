from pathlib import Path

import pytest
from made_up_runs import make_answer, make_config
from typer.testing import CliRunner

from lorify.cli import app
from lorify.errors import EvaluationError
from lorify.evaluation.reports.paper_table import paper_table
from lorify.evaluation.runs.folder import append_answers, open_run


def write_run(folder: Path, *answers) -> Path:
    open_run(folder, make_config())
    append_answers(folder, answers)
    return folder


@pytest.fixture
def runs(tmp_path) -> dict[str, Path]:
    def answered(source, method, score, **fields):
        return make_answer(
            method, source=source, score=score, f1=0.0, metric="qa_f1", precision=1.0, recall=1.0, **fields
        )

    squad = [answered("squad", "icl", 0.8), answered("squad", "adapter", 0.6, update_seconds=2.0)]
    drop = [answered("drop", "icl", 0.5), answered("drop", "adapter", 0.5, update_seconds=4.0)]
    return {
        "squad": write_run(tmp_path / "squad", *squad),
        "drop": write_run(tmp_path / "drop", *drop),
        "rank-16": write_run(tmp_path / "rank-16", answered("squad", "adapter", 0.7)),
    }


def test_methods_are_rows_and_sets_are_columns_relative_to_the_prompt(runs):
    del runs["rank-16"]
    table = paper_table(runs)
    assert table.scores == [
        {"method": "icl", "squad": "0.800 (1.00)", "drop": "0.500 (1.00)"},
        {"method": "adapter", "squad": "0.600 (0.75)", "drop": "0.500 (1.00)"},
    ]
    assert [row["update_seconds"] for row in table.costs] == [0.5, 3.0]


def test_a_method_of_several_runs_has_a_row_for_each(runs):
    rows = {row["method"]: row for row in paper_table(runs).scores}
    assert rows["adapter (rank-16)"]["squad"] == "0.700 (0.87)" and rows["adapter (rank-16)"]["drop"] is None
    assert rows["adapter"]["squad"] == "0.600 (0.75)" and rows["adapter"]["drop"] == "0.500 (1.00)"


def test_conditions_and_lengths_of_needles_are_columns(tmp_path):
    needle = make_answer("adapter", source="niah", depth_bin=3, length_tokens=1024, exact=1.0, f1=0.2)
    flipped = make_answer("adapter", "c-1", source="squad", condition="question internalized", f1=0.4)
    (row,) = paper_table({"a": write_run(tmp_path / "a", needle, flipped)}).scores
    assert row == {"method": "adapter", "niah 1024": "1.000", "squad, question internalized": "0.400"}


def test_the_command_writes_the_table(runs, tmp_path):
    result = CliRunner().invoke(app, ["eval", "table", *map(str, runs.values()), "-o", str(tmp_path / "table.md")])
    assert result.exit_code == 0, result.output
    assert "| icl | 0.800 (1.00) | 0.500 (1.00) |" in (tmp_path / "table.md").read_text()


def test_a_run_without_answers_is_named(tmp_path):
    with pytest.raises(EvaluationError, match="empty has no answers"):
        paper_table({"empty": write_run(tmp_path / "empty")})
