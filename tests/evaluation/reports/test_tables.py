import csv
import json

import pytest
from random_runs import make_answer, make_config

from lorify.evaluation.reports.comparison import compare_runs
from lorify.evaluation.reports.pooling import pool_runs
from lorify.evaluation.reports.results_page import write_results
from lorify.evaluation.reports.run_report import LENGTHS_NAME, PAIRS_NAME, REPORT_NAME, TABLE_NAME, write_report
from lorify.evaluation.reports.summaries import summarize, summarize_lengths, summarize_pairs
from lorify.evaluation.reports.tables import as_csv, as_markdown
from lorify.evaluation.runs.folder import ANSWERS_NAME, open_run

ANSWERS = [
    answer
    for case in range(6)
    for answer in (
        make_answer("icl", f"c-{case}", f1=0.5, length_tokens=60 * (case + 1), first_token_seconds=2.0),
        make_answer("adapter", f"c-{case}", f1=1.0, length_tokens=60 * (case + 1), first_token_seconds=0.5),
        make_answer("adapter", f"c-{case}", 1, f1=0.0, length_tokens=60 * (case + 1)),
    )
]


def test_scores_are_means_and_relative_to_the_document_in_the_prompt():
    rows = {row["method"]: row for row in summarize(ANSWERS)}
    assert rows["icl"]["f1"] == 0.5 and rows["icl"]["f1_relative"] == 1.0
    assert rows["adapter"]["f1"] == 0.5 and rows["adapter"]["questions"] == 12
    assert rows["adapter"]["exact"] == 0.5 and rows["icl"]["exact"] == 0.0
    # Each document has one right and one wrong answer, so drawing documents again changes nothing.
    assert rows["adapter"]["f1_low"] == rows["adapter"]["f1_high"] == 0.5


def test_times_are_medians_over_the_timed_answers():
    rows = {row["method"]: row for row in summarize(ANSWERS)}
    assert rows["icl"]["first_token_seconds"] == 2.0 and rows["adapter"]["first_token_seconds"] == 0.5
    assert rows["adapter"]["adapter_mb"] == 0.0 and rows["adapter"]["answer_peak_mb"] is None


def test_what_is_kept_is_a_column_of_table_and_page(tmp_path):
    answers = [make_answer("none", adapter_bytes=0, kept_bytes=0), make_answer(kept_bytes=1_250_000)]
    run = tmp_path / "run"
    open_run(run, make_config())
    write_report(run, make_config(), answers)
    rows = {row["method"]: row for row in csv.DictReader((run / TABLE_NAME).read_text().splitlines())}
    assert (rows["none"]["kept_mb"], rows["adapter"]["kept_mb"]) == ("0.0", "1.25")
    write_results([run], tmp_path / "page.md")
    for page in (run / REPORT_NAME, tmp_path / "page.md"):
        cells = [[cell.strip() for cell in line.split("|")] for line in page.read_text().splitlines() if "|" in line]
        header = next(row for row in cells if "kept_mb" in row)
        adapter = next(row for row in cells if "adapter" in row and len(row) == len(header))
        assert adapter[header.index("kept_mb")] == "1.25"


def test_a_run_of_before_it_was_noted_what_is_kept_is_read_and_reported(tmp_path):
    old = tmp_path / "old"
    open_run(old, make_config())
    line = json.loads(make_answer().model_dump_json())
    del line["kept_bytes"]
    (old / ANSWERS_NAME).write_text(json.dumps(line) + "\n")
    answers = open_run(old, make_config())
    assert len(answers) == 1 and summarize(answers)[0]["kept_mb"] is None
    write_report(old, make_config(), answers)
    assert "kept_mb" not in (old / REPORT_NAME).read_text()
    table = list(csv.DictReader((old / TABLE_NAME).read_text().splitlines()))
    for row in table:
        del row["kept_mb"]  # as the version of then wrote it
    (old / TABLE_NAME).write_text(as_csv(table))
    write_results([old], tmp_path / "page.md")
    page = (tmp_path / "page.md").read_text()
    assert "adapter_mb" in page and "kept_mb" not in page
    assert compare_runs(old, old).rows and pool_runs([old])


def test_an_untimed_run_still_tells_the_update():
    (row,) = summarize([make_answer(update_seconds=3.0), make_answer(index=1, update_seconds=3.0)])
    assert row["update_seconds"] == 3.0 and row["first_token_seconds"] is None


def test_without_the_document_in_the_prompt_nothing_is_relative_to_it():
    (row,) = summarize([make_answer()])
    assert row["f1_relative"] is None


def test_conditions_are_apart():
    rows = summarize([make_answer(condition="0 others"), make_answer(condition="3 others", f1=0.0)])
    assert [(row["condition"], row["f1"]) for row in rows] == [("0 others", 1.0), ("3 others", 0.0)]


def test_lengths_are_binned_or_kept():
    binned = [row["length"] for row in summarize_lengths(ANSWERS) if row["method"] == "icl"]
    assert binned == [64, 128, 256, 512]
    exact = [row["length"] for row in summarize_lengths(ANSWERS, exact_lengths=True) if row["method"] == "icl"]
    assert exact == [60, 120, 180, 240, 300, 360]


def test_pairs_are_compared_on_the_questions_that_both_answered():
    (row,) = summarize_pairs(ANSWERS)
    assert (row["first"], row["second"], row["questions"]) == ("icl", "adapter", 6)
    assert row["difference"] == 0.5 and row["p"] == pytest.approx(2 / 64, abs=0.01)


def test_the_folder_gets_tables_and_plots_that_the_report_shows(tmp_path):
    write_report(tmp_path, make_config(), ANSWERS)
    report = (tmp_path / REPORT_NAME).read_text()
    for name in (TABLE_NAME, LENGTHS_NAME, PAIRS_NAME):
        rows = list(csv.DictReader((tmp_path / name).read_text().splitlines()))
        assert rows and set(rows[0]) >= {"questions"}
    assert "| mill | icl | 6 |" in report
    shown = [line.split("(")[1].rstrip(")") for line in report.splitlines() if line.startswith("![")]
    assert shown and all((tmp_path / name).read_bytes().startswith(b"\x89PNG") for name in shown)


def test_columns_without_a_value_are_left_out():
    assert as_markdown([{"a": 1, "b": None, "c": ""}, {"a": 2, "b": None, "c": "x"}]).splitlines()[0] == "| a | c |"
