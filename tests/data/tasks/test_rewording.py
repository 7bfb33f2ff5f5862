import random

from hypothesis import given
from hypothesis import strategies as st

from lorify.data.tasks.rewording import reword


@given(seed=st.integers(0, 2**31))
def test_rewording_keeps_quoted_text_and_depends_on_the_seed_alone(seed):
    text = 'Write the text, but begin with "the text: write" and put <> after it.'
    found = reword(text, random.Random(seed))
    assert '"the text: write"' in found and "<>" in found
    assert found == reword(text, random.Random(seed))
    assert found[0].isupper()
