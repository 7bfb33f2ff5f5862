"""A suite and a method from outside of the package: one class each, and one entry in a registry."""

import json

import pytest
from tiny_lorify import Reader
from typer.testing import CliRunner

from lorify.answering.plan import Query
from lorify.cli import app
from lorify.data.examples import Example, Question
from lorify.evaluation.methods import registry as methods
from lorify.evaluation.methods.api import Method, PreparedCase
from lorify.evaluation.suites import registry as suites
from lorify.evaluation.suites.api import Suite
from lorify.evaluation.suites.cases import cases_from_examples


class ToySuite(Suite):
    """Two documents about mills."""

    name = "toy"
    default_methods = "none,toy_method"
    hour: str = "nine"

    def build(self, model):
        question = Question("When does the mill open?", (self.hour,))
        documents = (f"The mill opens at {self.hour}.", f"The old mill opens at {self.hour}.")
        return cases_from_examples(model.base, [Example((text,), (question,), "toy") for text in documents])


class ToyMethod(Method):
    """The first document in the prompt."""

    name = "toy_method"

    def load(self, model, max_new_tokens):
        return lambda case: PreparedCase(lambda question: Query(question, document=case.documents[0]))


@pytest.fixture(autouse=True)
def toys(monkeypatch):
    monkeypatch.setattr(suites, "SUITES", (*suites.SUITES, ToySuite))
    monkeypatch.setattr(methods, "METHODS", (*methods.METHODS, ToyMethod))


@pytest.fixture(autouse=True)
def reader(monkeypatch):
    model = Reader()
    monkeypatch.setattr("lorify.commands.evaluation.evaluate.load_model", lambda *_args, **_options: model)


def run(*args) -> str:
    result = CliRunner().invoke(app, ["eval", *map(str, args)])
    assert result.exit_code == 0, result.output
    return result.stdout


def test_both_run_on_the_command_line(tmp_path):
    scores = json.loads(run("run", "toy", "-m", "toy_method,none", "--untimed", "-o", tmp_path / "run", "--json"))
    assert {row["method"]: (row["source"], row["f1"]) for row in scores["scores"]} == {
        "toy_method": ("toy", 1.0),
        "none": ("toy", 0.0),
    }
    assert "| toy | toy_method | 2 |" in (tmp_path / "run" / "report.md").read_text()
    assert "## run" in run("report", tmp_path / "run", "-o", tmp_path / "page.md") + (tmp_path / "page.md").read_text()


def test_a_suite_alone_is_a_command_with_its_own_methods_and_options():
    rows = json.loads(run("toy:hour=ten", "--untimed", "--json"))["scores"]
    assert [row["method"] for row in rows] == ["none", "toy_method"]
    assert all(row["f1"] == 0.0 for row in rows)  # the reader always answers nine


def test_a_toy_method_answers_other_suites_too():
    (row,) = json.loads(run("niah:lengths=300:bins=1", "-m", "toy_method", "--untimed", "--json"))["scores"]
    assert row["exact"] == 1.0


def test_the_list_has_both():
    listed = run("list")
    assert "toy: Two documents about mills." in listed and "    hour: " in listed
    assert "toy_method: The first document in the prompt." in listed
