import json

import pytest
from made_up_runs import make_answer, make_config

from lorify.errors import EvaluationError
from lorify.evaluation.runs.folder import (
    ANSWERS_NAME,
    CONFIG_NAME,
    ENVIRONMENT_NAME,
    append_answers,
    check_run_folder,
    load_answers,
    load_config,
    open_run,
)


def test_a_new_folder_gets_config_and_environment(tmp_path):
    folder = tmp_path / "runs" / "one"
    assert open_run(folder, make_config()) == []
    assert load_config(folder) == make_config()
    environment = json.loads((folder / ENVIRONMENT_NAME).read_text())
    assert environment["versions"]["torch"] and environment["threads"] >= 1


def test_answers_are_read_as_they_were_written(tmp_path):
    open_run(tmp_path, make_config())
    answers = [make_answer(), make_answer(index=1, first_token_seconds=0.25)]
    append_answers(tmp_path, answers)
    assert open_run(tmp_path, make_config()) == answers


def test_an_incomplete_last_line_is_dropped_and_another_damaged_line_is_named(tmp_path):
    open_run(tmp_path, make_config())
    append_answers(tmp_path, [make_answer(), make_answer(index=1)])
    path = tmp_path / ANSWERS_NAME
    whole = path.read_text()
    path.write_text(whole[:-10])
    assert open_run(tmp_path, make_config()) == [make_answer()]
    assert path.read_text() == whole[: whole.index("\n") + 1]
    path.write_text('{"method": 3}\n' + whole)
    with pytest.raises(EvaluationError, match="line 1 is damaged"):
        load_answers(tmp_path)


def test_a_run_with_other_settings_is_not_overwritten(tmp_path):
    open_run(tmp_path, make_config())
    before = (tmp_path / CONFIG_NAME).read_bytes()
    with pytest.raises(EvaluationError, match=r"items_sha256: 0+\.* / 9+"):
        open_run(tmp_path, make_config(items_sha256="9" * 64))
    assert (tmp_path / CONFIG_NAME).read_bytes() == before


def test_a_foreign_folder_and_a_file_are_refused(tmp_path):
    photos = tmp_path / "photos"
    photos.mkdir()
    (photos / "one.jpg").write_text("a photo")
    for target, expected in ((photos, "holds files but no run"), (photos / "one.jpg", "is a file")):
        with pytest.raises(EvaluationError, match=expected):
            check_run_folder(target)
        with pytest.raises(EvaluationError, match=expected):
            open_run(target, make_config())
    assert [path.name for path in photos.iterdir()] == ["one.jpg"]


def test_a_damaged_config_is_named(tmp_path):
    with pytest.raises(EvaluationError, match=r"has no config\.json"):
        load_config(tmp_path)
    (tmp_path / CONFIG_NAME).write_text('{"format_version": 7}')
    with pytest.raises(EvaluationError, match="of another version"):
        load_config(tmp_path)


def test_a_run_with_option_names_of_version_0_1_continues(tmp_path):
    config = make_config(methods=("adapter:hypernetwork=other",), own_hypernetworks={"adapter:hypernetwork=other": "3"})
    open_run(tmp_path, config)
    append_answers(tmp_path, [make_answer("adapter:hypernetwork=other")])
    for name in (CONFIG_NAME, ANSWERS_NAME):
        (tmp_path / name).write_text((tmp_path / name).read_text().replace("hypernetwork=", "hypernet="))
    assert open_run(tmp_path, config) == [make_answer("adapter:hypernetwork=other")]
