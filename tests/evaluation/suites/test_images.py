from data.sources.test_images import save_image

from lorify.evaluation.suites.images import ImagesSuite


def test_the_control_asks_the_same_questions_about_other_images(image_model, tmp_path):
    for number in range(6):
        save_image(tmp_path / f"class {number}" / "0.png", number)
    cases = ImagesSuite(path=tmp_path).build(image_model)
    own, other = (
        [case for case in cases if case.condition == condition] for condition in ("its image", "another image")
    )
    assert [case.questions for case in own] == [case.questions for case in other]
    assert sorted(case.images for case in own) == sorted(case.images for case in other)
    assert [case.images for case in own] != [case.images for case in other]
