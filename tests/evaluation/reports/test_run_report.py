import csv

from made_up_runs import ANSWERS, make_config

from lorify.evaluation.reports.run_report import LENGTHS_NAME, PAIRS_NAME, REPORT_NAME, TABLE_NAME, write_report


def test_the_folder_has_the_tables_and_plots_that_the_report_shows(tmp_path):
    write_report(tmp_path, make_config(), ANSWERS)
    report = (tmp_path / REPORT_NAME).read_text()
    for name in (TABLE_NAME, LENGTHS_NAME, PAIRS_NAME):
        rows = list(csv.DictReader((tmp_path / name).read_text().splitlines()))
        assert rows and set(rows[0]) >= {"questions"}
    assert "| mill | icl | 6 |" in report
    shown = [line.split("(")[1].rstrip(")") for line in report.splitlines() if line.startswith("![")]
    assert shown and all((tmp_path / name).read_bytes().startswith(b"\x89PNG") for name in shown)
