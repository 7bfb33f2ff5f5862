import csv
import json

from made_up_runs import make_answer, make_config

from lorify.evaluation.reports.comparison import compare_runs
from lorify.evaluation.reports.pooling import pool_runs
from lorify.evaluation.reports.results_page import write_results
from lorify.evaluation.reports.run_report import REPORT_NAME, TABLE_NAME, write_report
from lorify.evaluation.reports.summaries import summarize
from lorify.evaluation.reports.tables import as_csv
from lorify.evaluation.runs.folder import ANSWERS_NAME, CONFIG_NAME, open_run


def test_the_size_of_stored_statistics_is_a_column_of_tables_and_pages(tmp_path):
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


def test_an_older_run_without_that_column_is_read_and_reported(tmp_path):
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
        del row["kept_mb"]  # as older versions wrote it
    (old / TABLE_NAME).write_text(as_csv(table))
    write_results([old], tmp_path / "page.md")
    page = (tmp_path / "page.md").read_text()
    assert "adapter_mb" in page and "kept_mb" not in page
    assert compare_runs(old, old).rows and pool_runs([old])


def test_a_run_with_option_names_of_version_0_1_is_reported_with_the_present_names(tmp_path):
    old = tmp_path / "old"
    label = "adapter:hypernetwork=other"
    open_run(old, make_config(methods=(label,), own_hypernetworks={label: "3" * 64}))
    write_report(old, make_config(), [make_answer(label)])
    for name in (CONFIG_NAME, TABLE_NAME):
        (old / name).write_text((old / name).read_text().replace("hypernetwork=", "hypernet="))
    write_results([old], tmp_path / "page.md")
    page = (tmp_path / "page.md").read_text()
    assert f"-m {label} " in page and f"| {label} |" in page and "hypernet=" not in page
