from hypothesis import given
from hypothesis import strategies as st

from lorify.data.tasks.long_wordings import with_long_wordings
from lorify.data.tasks.suite import suite_unseen_tasks

TASKS = suite_unseen_tasks()


@given(st.sampled_from(TASKS))
def test_every_description_is_inside_other_text_and_always_the_same(task):
    long = with_long_wordings(task)
    assert long == with_long_wordings(task) and long.instances == task.instances
    for text, plain in zip(long.descriptions, task.descriptions, strict=True):
        assert f" {plain} " in text and len(text.split()) > len(plain.split()) + 25
