import torch

from lorify.answering.sources import find_source
from lorify.hypernets.evidence import TokenEvidence

TEXT = "The mill opens at nine. Its owner is Zoë Müller.\nFirst steps\nThe bakery opens at ten."


def decode(ids) -> str:
    return bytes(ids).decode(errors="replace")


def evidence(text: str, at: str, name: str = "mill", high: float = 0.9) -> TokenEvidence:
    """A document of one token a byte, of which those of `at` are probable."""
    ids = list(text.encode())
    probabilities = torch.full((len(ids),), 0.1)
    start = len(text[: text.index(at)].encode())
    probabilities[start : start + len(at.encode())] = high
    return TokenEvidence(name, ids, probabilities)


def test_the_source_is_the_sentence_with_the_answer():
    source = find_source([evidence(TEXT, "Zoë Müller")], "Zoë Müller", decode)
    assert (source.document, source.sentence) == ("mill", "Its owner is Zoë Müller.")
    assert source.passage == "The mill opens at nine. Its owner is Zoë Müller.\nFirst steps"
    assert abs(source.probability - 0.9) < 1e-6


def test_a_sentence_that_contains_the_answer_counts_before_a_more_probable_one():
    source = find_source([evidence(TEXT, "nine")], "ten", decode)
    assert source.sentence == "The bakery opens at ten."


def test_without_the_answer_in_it_the_most_probable_sentence_is_the_source():
    for answer in ("no", "Yes.", "at noon", ""):
        assert find_source([evidence(TEXT, "owner")], answer, decode).sentence == "Its owner is Zoë Müller."


def test_of_several_documents_the_more_probable_one_is_named():
    documents = [evidence(TEXT, "ten", "old", 0.3), evidence(TEXT, "ten", "new", 0.8)]
    assert find_source(documents, "ten", decode).document == "new"


def test_without_cached_tokens_there_is_no_source():
    assert find_source([], "ten", decode) is None


def test_a_tokenizer_that_drops_a_leading_space_keeps_the_words_apart():
    words = ["The", " mill", " opens.", " Its", " owner", " is", " Ada."]
    documents = [TokenEvidence("mill", range(7), torch.tensor([0.0, 0, 0, 0, 0, 0, 0.7]))]
    source = find_source(documents, "Ada", lambda ids: "".join(words[i] for i in ids).removeprefix(" "))
    assert source.sentence == "Its owner is Ada." and source.passage == "The mill opens. Its owner is Ada."


def test_a_question_of_the_document_is_no_source_and_a_known_sentence_is():
    text = "Is it open?\nIt opens at nine.\nIt is red."
    document = evidence(text, "Is it open?")

    def source(answer: str, sentence: str = "") -> str:
        found = find_source([document], answer, decode, sentence)
        assert found is not None
        return found.sentence

    assert source("open") != "Is it open?"
    assert source("Yes", "It opens at nine.") == "It opens at nine."
    assert source("Yes", "It is red. It is big.") == "It is red."
