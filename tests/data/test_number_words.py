import pytest

from lorify.data.number_words import NUMBER_IN_WORDS, NUMBER_WORDS, read_number_words


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("forty boxes", 40),
        ("about Twenty-five people", 25),
        ("two hundred and five", 205),
        ("three dozen", 36),
        ("a hundred", 100),
        ("three million two hundred thousand", 3_200_000),
    ],
)
def test_numbers_in_words_are_found_and_read(text, number):
    found = NUMBER_IN_WORDS.search(text)
    assert found is not None and read_number_words(found[0]) == number


def test_each_word_up_to_twenty_stands_at_its_number():
    assert [read_number_words(word) for word in NUMBER_WORDS] == list(range(21))


def test_parts_of_other_words_are_no_numbers():
    assert NUMBER_IN_WORDS.search("Someone often weighs a stone") is None
