import json
from pathlib import Path

import pytest

from lorify.data.tasks.files import load_tasks, save_task
from lorify.data.tasks.published.sni import sni_number
from lorify.data.tasks.schema import Instance, Task
from lorify.errors import EvaluationError

OWN = {
    "name": "opposites",
    "definition": "Write the opposite.",
    "descriptions": ["Give an antonym of the word.", "{...}", "Give an antonym of the word."],
    "instances": [
        {"input": "hot", "outputs": ["cold", "icy"]},
        {"input": "big", "outputs": ["small"], "choices": ["small"]},
    ],
    "licence": "of no interest",
}
SNI = {
    "Contributors": ["somebody"],
    "Definition": ["Answer the question."],
    "Categories": ["Question Answering"],
    "Positive Examples": [],
    "Instances": [{"id": "1", "input": "Who?", "output": ["A man who came in from the cold night."]}],
}


def write(folder: Path, **documents: object) -> Path:
    for name, document in documents.items():
        text = document if isinstance(document, str) else json.dumps(document)
        (folder / f"{name}.json").write_text(text)
    return folder


def test_own_files_and_those_of_super_naturalinstructions_give_the_same_kind_of_task(tmp_path):
    (tmp_path / "deeper").mkdir()
    write(tmp_path / "deeper", task002_answers=SNI)
    own, sni = sorted(load_tasks(write(tmp_path, own=OWN)), key=lambda t: t.name)
    assert own.descriptions == ("Give an antonym of the word.",), (
        "gaps of templates and duplicates are not descriptions"
    )
    assert own.instances[0] == Instance("hot", ("cold", "icy")) and own.instances[1].choices == ("small",)
    assert (own.family, own.metric) == ("opposites", "normalized")
    assert (sni.name, sni.family, sni.metric) == ("task002_answers", "Question Answering", "rouge_l")
    assert sni.descriptions == (sni.definition,) == ("Answer the question.",)
    assert sni_number(sni) == 2 and sni_number(own) is None


@pytest.mark.parametrize(
    ("answers", "metric"),
    [
        (["12", "-3.5"], "number"),
        (["12", "twelve"], "normalized"),
        (["a rather long answer that goes on and on"], "rouge_l"),
    ],
)
def test_the_metric_is_guessed_if_it_is_missing(tmp_path, answers, metric):
    instances = [{"input": "i", "outputs": [answer]} for answer in answers]
    write(tmp_path, own=OWN | {"instances": instances})
    assert load_tasks(tmp_path / "own.json")[0].metric == metric


@pytest.mark.parametrize(
    ("document", "reason"),
    [
        ("{", "is not JSON"),
        ([], "not a JSON object"),
        (OWN | {"instances": []}, "'instances' is missing or empty"),
        (OWN | {"instances": [{"input": "hot", "outputs": []}]}, "instances 1 has no 'outputs'"),
        (OWN | {"instances": [{"outputs": ["x"]}]}, "'input' is missing"),
        (OWN | {"definition": 3}, "'definition' is missing"),
        (OWN | {"metric": "bleu"}, "metric 'bleu' is not known"),
        (SNI | {"Definition": []}, "'Definition' is missing"),
    ],
)
def test_all_broken_files_are_named(tmp_path, document, reason):
    with pytest.raises(EvaluationError, match=reason) as caught:
        load_tasks(write(tmp_path, good=OWN | {"name": "good"}, bad=document, worse="nonsense"))
    assert "bad.json" in str(caught.value) and "worse.json" in str(caught.value) and "\n" not in str(caught.value)


def test_missing_files_and_repeated_names_are_refused(tmp_path):
    with pytest.raises(EvaluationError, match="holds no"):
        load_tasks(tmp_path)
    with pytest.raises(EvaluationError, match="cannot be read"):
        load_tasks(tmp_path / "absent.json")
    with pytest.raises(EvaluationError, match="two tasks named 'opposites'"):
        load_tasks(write(tmp_path, one=OWN, two=OWN))


def test_a_saved_task_is_loaded_unchanged(tmp_path):
    instances = (Instance("input", ("answer", "reply")), Instance("yes?", ("yes",), ("yes", "no")))
    task = Task(
        "ech/o", "Say it again.", ("Say it again.", "Repeat the same words."), instances, "exact", "family", "test"
    )
    path = save_task(task, tmp_path)
    assert path.name == "ech_o.json" and load_tasks(path) == [task]
