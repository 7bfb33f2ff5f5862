import pytest

from lorify.data.tasks.fuzzy import load_fuzzy_functions
from lorify.errors import EvaluationError

FUNCTION = '[[functions]]\nname = "a"\nspecification = "Do it."\nexamples = [["1","x"],["2","x"],["3","x"],["4","y"]]\n'


def test_the_first_examples_are_shown_and_the_others_measured(tmp_path):
    (tmp_path / "letters.toml").write_text(FUNCTION)
    (function,) = load_fuzzy_functions(tmp_path)
    assert function.task.family == "letters" and function.task.metric == "exact"
    assert [i.input for i in function.shown] == ["1", "2", "3"] and [i.input for i in function.measured] == ["4"]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", r"has no \[\[functions\]\]"),
        ("name =", "is not TOML"),
        (FUNCTION.replace('name = "a"', ""), "function 1 has no 'name'"),
        (FUNCTION.replace("Do it.", " "), "function 1 has no 'specification'"),
        (FUNCTION.replace('["4","y"]', '["4"]'), "not pairs"),
        (FUNCTION.replace(',["4","y"]', ""), "has 3 examples"),
        (FUNCTION + FUNCTION, "two functions named 'a'"),
    ],
)
def test_what_a_file_lacks_is_named(tmp_path, text, problem):
    (tmp_path / "letters.toml").write_text(text)
    with pytest.raises(EvaluationError, match=problem):
        load_fuzzy_functions(tmp_path)


def test_a_folder_without_files_is_named(tmp_path):
    with pytest.raises(EvaluationError, match=r"holds no \.toml file"):
        load_fuzzy_functions(tmp_path)
    with pytest.raises(EvaluationError, match="cannot be read"):
        load_fuzzy_functions(tmp_path / "missing.toml")
