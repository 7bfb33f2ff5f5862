import pytest
from data.sources.test_images import save_image

from lorify.errors import EvaluationError
from lorify.evaluation.methods.registry import parse_methods
from lorify.evaluation.runs.records import run_config
from lorify.evaluation.runs.runner import answer_cases
from lorify.evaluation.suites.imagenette import ImagenetteSuite
from lorify.evaluation.suites.registry import parse_suite


@pytest.fixture
def imagenette(tmp_path):
    for number, name in enumerate(("n01440764", "n03888257", "n03425413")):
        save_image(tmp_path / "val" / name / "0.png", 40 * number)
        save_image(tmp_path / "train" / name / "0.png", 40 * number + 1)
    return tmp_path


def test_imagenette_is_asked_as_in_the_paper(image_model, imagenette):
    suite = parse_suite(f"imagenette:path={imagenette}")
    cases = suite.build(image_model)
    assert cases == suite.build(image_model)
    assert len(cases) == 3  # those of `val`
    question = cases[0].questions[0].text
    assert question.startswith("What is in this image? Choose exactly one of the following classes: tench, English ")
    assert question.endswith("golf ball, parachute. Response with only the correct class without any other text.")
    answers = answer_cases(image_model, cases, parse_methods("adapter,none"), max_new_tokens=4, timed=False)
    assert len(answers) == 6
    assert all(answer.exact in (0.0, 1.0) for answer in answers)


def test_a_class_that_imagenette_does_not_have_is_refused(image_model, tmp_path):
    save_image(tmp_path / "red_boat" / "0.png", 1)
    with pytest.raises(EvaluationError, match="has a class 'red boat' that Imagenette does not have"):
        ImagenetteSuite(path=tmp_path).build(image_model)


def test_methods_that_put_the_context_into_the_prompt_are_refused():
    with pytest.raises(EvaluationError, match="method for images 'icl' does not exist; choose from none, adapter"):
        parse_methods("adapter,icl", ImagenetteSuite.kind)


def test_the_digest_of_a_run_depends_on_the_images(image_model, imagenette):
    def digest() -> str:
        cases = ImagenetteSuite(path=imagenette).build(image_model)
        return run_config(image_model, "s", cases, parse_methods("none"), max_new_tokens=4, timed=False).items_sha256

    before = digest()
    assert digest() == before
    save_image(imagenette / "val" / "n01440764" / "0.png", 200)
    assert digest() != before
