"""Which part of an answer can be shown while it is generated."""

from itertools import product

import pytest

from lorify.answering.text import AnswerText


def shown(text: str, stops: tuple[str, ...] = (), *, trim: bool = False) -> tuple[list[str], bool]:
    """What is taken after each byte of `text`, and whether it was stopped."""
    answer = AnswerText(lambda ids: bytes(ids).decode(errors="replace"), stops, trim=trim)
    taken = []
    for byte in text.encode():
        answer.add(byte)
        taken.append(answer.take(last=answer.stopped))
        if answer.stopped:
            return taken, True
    return [*taken, answer.take(last=True)], False


def test_text_comes_as_it_is_known() -> None:
    assert shown("abc") == (["a", "b", "c", ""], False)


def test_a_character_of_several_tokens_comes_whole() -> None:
    assert shown("aé€b") == (["a", "", "é", "", "", "€", "b", ""], False)


def test_what_stays_unfinished_is_shown_at_the_end() -> None:
    answer = AnswerText(lambda ids: bytes(ids).decode(errors="replace"), (), trim=False)
    answer.add("é".encode()[0])
    assert (answer.take(), answer.take(last=True)) == ("", "\N{REPLACEMENT CHARACTER}")


@pytest.mark.parametrize("stops", [("END",), ("END", "zzz"), ("zzz", "ND!", "END")])
def test_nothing_of_a_stop_text_is_shown(stops: tuple[str, ...]) -> None:
    taken, stopped = shown("an ENd, an END!", stops)
    assert ("".join(taken), stopped) == ("an ENd, an ", True)
    assert taken[3:6] == ["", "", "ENd"]  # held back until it was clear


def test_an_unfinished_stop_text_is_shown_at_the_end() -> None:
    assert "".join(shown("an EN", ("END",))[0]) == "an EN"


def test_the_earliest_stop_text_counts() -> None:
    assert "".join(shown("one two three", ("three", "two"))[0]) == "one "


def test_an_empty_stop_text_stops_nothing() -> None:
    assert "".join(shown("abc", ("",))[0]) == "abc"


def test_trimmed_answers_keep_the_white_space_inside() -> None:
    taken, _ = shown(" \n a  b \n ", trim=True)
    assert "".join(taken) == "a  b"
    taken, _ = shown("  a b  STOP", ("STOP",), trim=True)
    assert "".join(taken) == "a b"


@pytest.mark.parametrize("stop", ["ab", "aab", "abab", "aaa", "ba"])
def test_the_longest_beginning_of_a_stop_text_is_held_back(stop: str) -> None:
    for letters in product("ab", repeat=6):
        text = "".join(letters)
        if stop in text:
            continue
        answer = AnswerText("".join, (stop,), trim=False)  # pyright: ignore[reportArgumentType]
        for letter in letters:
            answer.add(letter)  # pyright: ignore[reportArgumentType]
        held = max(size for size in range(len(stop)) if text.endswith(stop[:size]))
        assert answer.take() == text[: len(text) - held]
