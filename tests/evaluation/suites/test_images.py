import pytest
from data.sources.test_images import save_image
from hypernets.test_images import of_patches, save_random
from tiny import tiny_base

from lorify.errors import EvaluationError
from lorify.evaluation.methods.registry import parse_methods
from lorify.evaluation.runs.records import run_config
from lorify.evaluation.runs.runner import answer_cases
from lorify.evaluation.scoring.choices import nearest_choice
from lorify.evaluation.suites.imagenette import IMAGENETTE_ALIASES, ImagenetteSuite
from lorify.evaluation.suites.images import ImagesSuite
from lorify.evaluation.suites.registry import parse_suite
from lorify.facade import Lorify, load_internalizer


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Lorify:
    base = tiny_base()
    return Lorify(base, load_internalizer(base, save_random(tmp_path_factory.mktemp("h") / "h", base, of_patches())))


@pytest.fixture
def imagenette(tmp_path):
    for number, name in enumerate(("n01440764", "n03888257", "n03425413")):
        save_image(tmp_path / "val" / name / "0.png", 40 * number)
        save_image(tmp_path / "train" / name / "0.png", 40 * number + 1)
    return tmp_path


def test_imagenette_is_asked_as_in_the_paper(model, imagenette):
    suite = parse_suite(f"imagenette:path={imagenette}")
    cases = suite.build(model)
    assert cases == suite.build(model)
    assert len(cases) == 3  # those of `val`
    question = cases[0].questions[0].text
    assert question.startswith("What is in this image? Choose exactly one of the following classes: tench, English ")
    assert question.endswith("golf ball, parachute. Response with only the correct class without any other text.")
    answers = answer_cases(model, cases, parse_methods("adapter,none"), max_new_tokens=4, timed=False)
    assert len(answers) == 6
    assert all(answer.exact in (0.0, 1.0) for answer in answers)


def test_every_answer_is_some_class():
    choices = (("tench", "tench"), ("chain saw", "chain saw"), ("gas pump", "gas pump"), *IMAGENETTE_ALIASES.items())
    said = {
        "Tench.": "tench",
        "It is a chainsaw!": "chain saw",
        "a fuel-pump": "gas pump",
        "the pump for gas": "gas pump",
        "Some FISH, I think": "tench",
        "tenh": "tench",
    }
    assert {text: nearest_choice(text, choices) for text in said} == said
    assert nearest_choice("", choices) in {choice for _, choice in choices}


def test_another_class_than_imagenettes(model, tmp_path):
    save_image(tmp_path / "red_boat" / "0.png", 1)
    with pytest.raises(EvaluationError, match="has a class 'red boat' that Imagenette does not have"):
        ImagenetteSuite(path=tmp_path).build(model)


def test_the_control_asks_about_other_images_of_the_set(model, tmp_path):
    for number in range(6):
        save_image(tmp_path / f"class {number}" / "0.png", number)
    cases = ImagesSuite(path=tmp_path).build(model)
    own, other = (
        [case for case in cases if case.condition == condition] for condition in ("its image", "another image")
    )
    assert [case.questions for case in own] == [case.questions for case in other]
    assert sorted(case.images for case in own) == sorted(case.images for case in other)
    assert [case.images for case in own] != [case.images for case in other]


def test_methods_that_would_put_an_image_into_a_prompt_are_refused():
    with pytest.raises(EvaluationError, match="method for images 'icl' does not exist; choose from none, adapter"):
        parse_methods("adapter,icl", ImagenetteSuite.kind)


def test_a_run_knows_its_images(model, imagenette):
    def digest() -> str:
        cases = ImagenetteSuite(path=imagenette).build(model)
        return run_config(model, "s", cases, parse_methods("none"), max_new_tokens=4, timed=False).items_sha256

    before = digest()
    assert digest() == before
    save_image(imagenette / "val" / "n01440764" / "0.png", 200)
    assert digest() != before
