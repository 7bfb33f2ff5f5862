"""Tests of what is read of a follow-up."""

from lorify.data.follow_ups.prompt import MAX_READ_CHARS, MAX_READ_WORDS, question_in_chat


def test_an_extractor_reads_the_last_turns_and_the_beginnings_of_long_texts():
    turns = [("Who?", "Ada"), ("Where?", "In Lowick"), ("Why? " * 100, "word " * 100)]
    asked = question_in_chat(turns, "And when?")
    assert asked.startswith("Where? In Lowick > Why? Why?") and asked.endswith(" > And when?")
    assert asked.count("word") == asked.count("Why?") == MAX_READ_WORDS
    assert question_in_chat([], "And when?") == "And when?"


def test_texts_without_spaces_and_turns_without_an_answer_are_read_too():
    assert question_in_chat([("Wo?", "塔" * 1000)], "Wann?") == f"Wo? {'塔' * MAX_READ_CHARS} > Wann?"
    assert question_in_chat([("Hello", "")], "Where is it?") == "Hello > Where is it?"
