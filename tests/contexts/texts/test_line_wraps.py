import random
import textwrap
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lorify.contexts.documents import document_from_text
from lorify.contexts.texts.line_wraps import join_wrapped_lines
from lorify.data.facts.generate import generate_fact_example
from lorify.data.sources.niah import generate_niah_example

PARAGRAPH = (
    "The lighthouse on Gull Rock was built by the harbour board after three ships were lost in a single winter, and "
    "its lamp could be seen from the far side of the bay on every night that was not foggy. The first keeper was Edda "
    "Lindqvist, who lived there with her two sons, a cow and, in the last years, the teacher of the island."
)
WORDS = st.lists(st.text("abcdefghij", min_size=2, max_size=9), min_size=40, max_size=120)


@pytest.mark.parametrize("width", [60, 72, 80, 120])
def test_a_wrapped_paragraph_becomes_one_line_again(width):
    assert join_wrapped_lines(textwrap.fill(PARAGRAPH, width)) == PARAGRAPH


@given(WORDS, st.integers(55, 110))
def test_wrapping_running_text_changes_nothing_of_it(words, width):
    text = " ".join(words)
    assert join_wrapped_lines(textwrap.fill(text, width)) == text


def test_paragraphs_stay_apart_and_a_document_is_read_this_way():
    wrapped = textwrap.fill(PARAGRAPH, 72)
    document = document_from_text(f"# Gull Rock\n\n{wrapped}\n\n{wrapped}\n")
    assert document.text == f"# Gull Rock\n\n{PARAGRAPH}\n\n{PARAGRAPH}"


def test_a_line_of_spaces_ends_a_paragraph():
    wrapped = textwrap.fill(PARAGRAPH, 72)
    assert join_wrapped_lines(f"{wrapped}\n  \n{wrapped}") == f"{PARAGRAPH}\n  \n{PARAGRAPH}"


def test_items_of_a_list_are_joined_each_by_itself():
    item = "the keeper's house, where a stove and four chairs are still to be seen as they were left in that year"
    text = "\n".join(
        textwrap.fill(f"{mark} {item}", 60, subsequent_indent="  ") for mark in ("-", "*", "2.", "(3)", "b)")
    )
    assert join_wrapped_lines(text) == "\n".join(f"{mark} {item}" for mark in ("-", "*", "2.", "(3)", "b)"))


@pytest.mark.parametrize(
    "text",
    [
        "Shall I compare thee to a summer's day?\nThou art more lovely and more temperate:\nRough winds do shake the",
        "Edda Lindqvist\nGull Rock Light\n4711 Nordhavn",
        "Name: Gull Rock Light, once the brightest lamp on the whole of the coast\nKeeper: Edda Lindqvist",
        "| Light | Keeper in the years before the lamp was made to run on its own |\n|---|---|\n| Gull | Edda",
        "Opens in spring and closes in the autumn when the storms set in.\nEntry is free for all who come by boat.",
        "def lamp(seconds, colour='white', height=31, keeper='Edda Lindqvist'):\n    return seconds * 2 + height",
        "```\nlamp --seconds 20 --colour white --keeper 'Edda Lindqvist' --height 31 \\\nand --more of it\n```",
        "A heading that has been made so long that it takes the width\n---\nText",
    ],
)
def test_breaks_that_mean_something_stay(text):
    assert join_wrapped_lines(text) == text


def test_documents_and_haystacks_as_generated_stay():
    texts = [text for seed in range(60) for text in generate_fact_example(random.Random(seed)).documents]
    needle = generate_niah_example(random.Random(0), length_tokens=600, count_tokens=lambda text: len(text.split()))
    for text in (*texts, *needle.documents):
        assert join_wrapped_lines(text) == text


def test_a_hyphen_at_the_end_of_a_line_goes_if_the_word_is_written_without_it_elsewhere():
    lines = (
        "The keepers of the lighthouse were relieved every second month, and then the light-\n"
        "house stood in the care of the oldest of the sons, who was known as a level-headed and well-\n"
        "meaning boy of few words"
    )
    joined = join_wrapped_lines(lines)
    assert "care of" in joined and "the lighthouse stood" in joined and "well-meaning boy" in joined


def test_joining_twice_is_joining_once():
    text = textwrap.fill(PARAGRAPH, 70) + "\n\n" + "\n".join(f"- {line}" for line in textwrap.wrap(PARAGRAPH, 50))
    once = join_wrapped_lines(text)
    assert join_wrapped_lines(once) == once


@pytest.mark.parametrize("end", ["hall", "ha-"])
def test_the_time_to_join_grows_with_the_text_only(end):
    """The whole paragraph was searched for a hyphen at each of its lines."""
    line = f"All work and no play makes Jack a dull boy, said the man in the {end}"
    started = time.process_time()
    joined = join_wrapped_lines("\n".join([line] * 20_000))
    assert joined.count("Jack") == 20_000 and "\n" not in joined
    assert time.process_time() - started < 10
