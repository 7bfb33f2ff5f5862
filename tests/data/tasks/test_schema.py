import json
from pathlib import Path

import pytest

from lorify.data.tasks.decontamination import decontaminate, instance_text
from lorify.data.tasks.schema import (
    Instance,
    Task,
    load_tasks,
    sni_number,
    sni_training_tasks,
    split_descriptions,
    split_instances,
)
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


def task(name: str, *instances: tuple[str, str]) -> Task:
    return Task(name, "d", ("d",), tuple(Instance(i, (o,)) for i, o in instances), "exact", "family", "test")


def test_own_files_and_those_of_super_naturalinstructions_are_read_alike(tmp_path):
    (tmp_path / "deeper").mkdir()
    write(tmp_path / "deeper", task002_answers=SNI)
    own, sni = sorted(load_tasks(write(tmp_path, own=OWN)), key=lambda t: t.name)
    assert own.descriptions == ("Give an antonym of the word.",), (
        "gaps of templates and repetitions are no descriptions"
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
def test_how_answers_are_scored_is_guessed_where_it_is_not_said(tmp_path, answers, metric):
    instances = [{"input": "i", "outputs": [answer]} for answer in answers]
    write(tmp_path, own=OWN | {"instances": instances})
    assert load_tasks(tmp_path / "own.json")[0].metric == metric


def test_the_published_split_has_479_tasks():
    assert len(sni_training_tasks()) == 479
    assert 39 not in sni_training_tasks(), "measured on, there"


@pytest.mark.parametrize(
    ("document", "reason"),
    [
        ("{", "no JSON"),
        ([], "not a JSON object"),
        (OWN | {"instances": []}, "'instances' is missing or empty"),
        (OWN | {"instances": [{"input": "hot", "outputs": []}]}, "instances 1 has no 'outputs'"),
        (OWN | {"instances": [{"outputs": ["x"]}]}, "'input' is missing"),
        (OWN | {"definition": 3}, "'definition' is missing"),
        (OWN | {"metric": "bleu"}, "metric 'bleu' is not known"),
        (SNI | {"Definition": []}, "'Definition' is missing"),
    ],
)
def test_a_broken_file_is_named_with_the_others_that_are(tmp_path, document, reason):
    with pytest.raises(EvaluationError, match=reason) as caught:
        load_tasks(write(tmp_path, good=OWN | {"name": "good"}, bad=document, worse="nonsense"))
    assert "bad.json" in str(caught.value) and "worse.json" in str(caught.value) and "\n" not in str(caught.value)


def test_nothing_there_and_names_twice_are_refused(tmp_path):
    with pytest.raises(EvaluationError, match="holds no"):
        load_tasks(tmp_path)
    with pytest.raises(EvaluationError, match="cannot be read"):
        load_tasks(tmp_path / "absent.json")
    with pytest.raises(EvaluationError, match="two tasks named 'opposites'"):
        load_tasks(write(tmp_path, one=OWN, two=OWN))


def test_splits_keep_what_is_measured_apart():
    some = Task("n", "d", tuple("abcdefgh"), tuple(Instance(str(i), ("x",)) for i in range(10)), "exact", "f", "s")
    assert split_descriptions(some) == (tuple("abcdef"), tuple("gh"))
    train, heldout = split_instances(some)
    assert [i.input for i in heldout] == ["8", "9"] and not set(train) & set(heldout)
    with pytest.raises(EvaluationError, match="at least two"):
        split_instances(task("lonely", ("a", "b")))


RUN = "The quick brown fox jumps over the lazy dog near the river bank"


def test_decontamination_takes_instances_and_whole_tasks():
    mostly_clean = task("clean", *((f"a text of number {i} that is of no interest to any", "x") for i in range(9)),
                        (f"And then: {RUN.upper()}!", "y"))  # fmt: skip
    mostly_shared = task("shared", (RUN, "a"), (f"{RUN} again", "b"), ("short", "c"))
    kept, overlaps = decontaminate([mostly_clean, mostly_shared], [instance_text(Instance(f"he said {RUN}", ("z",)))])
    assert [t.name for t in kept] == ["clean"] and len(kept[0].instances) == 9
    assert [(o.task, o.num_shared, o.dropped) for o in overlaps] == [("clean", 1, False), ("shared", 2, True)]


def test_short_texts_are_no_overlap_and_nothing_left_is_an_error():
    words = task("words", ("hot", "cold"), ("big", "small"))
    assert decontaminate([words], ["hot\ncold"]) == ([words], [])
    with pytest.raises(EvaluationError, match="every training task overlaps"):
        decontaminate([task("shared", (RUN, "a"))], [RUN])
