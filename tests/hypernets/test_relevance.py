import pytest
import torch

from lorify.contexts.texts.words import hash_words
from lorify.errors import HypernetworkError
from lorify.hypernets.relevance import Relevance, fit_relevance, load_relevance, save_relevance

TOPICS = ["harbour", "orchard", "railway", "library", "glacier", "brewery", "theatre", "quarry"]


def fitted() -> Relevance:
    pairs = [
        (f"When was the {topic} of {topic.title()}ton opened?", f"The {topic} of {topic.title()}ton was opened in May.")
        for topic in TOPICS
    ]
    unrelated = ["What is the capital of France?", "Write a short poem about the sea.", "When was the wheel invented?"]
    return fit_relevance(pairs, unrelated)


def test_a_question_about_the_document_passes_and_others_do_not():
    relevance, words = fitted(), hash_words("The harbour of Harbourton was opened in May by the mayor.")
    assert relevance.is_relevant("Who opened Harbourton's harbour?", words)
    assert relevance.is_relevant("HARBOUR: opening", words)
    assert not relevance.is_relevant("What is the capital of France?", words)
    assert not relevance.is_relevant("When was the glacier of Glacierton opened?", words)
    assert not relevance.is_relevant("", words)


def test_rare_words_count_more_than_common_ones():
    relevance = fitted()
    assert (
        relevance.score("the glacier", hash_words("glacier")) > 0.5 > relevance.score("the glacier", hash_words("the"))
    )


def test_several_documents_have_the_words_of_each():
    relevance = fitted()
    both = torch.cat([hash_words("the harbour"), hash_words("the orchard")])
    assert relevance.score("the orchard", both) == relevance.score("the orchard", hash_words("the orchard"))


def test_scripts_without_spaces_are_compared_by_character():
    assert fitted().score("博物館", hash_words("海洋博物館は港にある")) == 1.0


def test_relevance_is_the_same_after_saving(tmp_path):
    relevance = fitted()
    save_relevance(tmp_path, relevance)
    assert load_relevance(tmp_path) == relevance
    assert [path.name for path in tmp_path.iterdir()] == ["relevance.json"]


def test_without_a_file_there_is_no_relevance(tmp_path):
    assert load_relevance(tmp_path) is None


def test_a_damaged_file_is_refused(tmp_path):
    (tmp_path / "relevance.json").write_text('{"threshold": 2}')
    with pytest.raises(HypernetworkError, match=r"relevance\.json is damaged"):
        load_relevance(tmp_path)


def test_an_acronym_counts_more_than_the_pronoun_where_the_document_has_it():
    relevance = Relevance(threshold=0.5, unseen_weight=3.0, weights={"who": 1.0, "work": 2.0, "in": 0.1, "it": 0.2})
    staff, others = hash_words("Ada is in IT."), hash_words("It is in town.")
    assert relevance.score("Who works in IT?", staff) > relevance.score("Who works in it?", staff)
    assert relevance.score("Who works in IT?", others) == relevance.score("Who works in it?", others)
    assert max(relevance.rarities("Who works in IT?").values()) == relevance.unseen_weight
