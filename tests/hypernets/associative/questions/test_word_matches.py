import torch
from tiny import tiny_base

from lorify.contexts.texts.words import hash_stem
from lorify.hypernets.associative.questions.word_matches import match_features, words_ending_at
from lorify.hypernets.relevance import Relevance

RELEVANCE = Relevance(threshold=0.1, unseen_weight=5.0, weights={"the": 0.1, "is": 0.1, "of": 0.1})
TOKENIZER = tiny_base().tokenizer


def words_of(text: str) -> torch.Tensor:
    return words_ending_at(TOKENIZER(text, add_special_tokens=False)["input_ids"], TOKENIZER)


def test_every_word_ends_in_one_token():
    found = words_of("The bees of Torvik, and Torvik's beekeeper.")
    wanted = ["the", "bee", "of", "torvik", "and", "torvik", "s", "beekeep"]
    assert found[found != 0].tolist() == [hash_stem(stem) for stem in wanted]


def test_features_show_where_the_rare_words_of_a_question_occur():
    words = words_of("Ada lives in Torvik by the sea. Berta lives in Holm by the river.")
    found = match_features(RELEVANCE.rarities("Where does Berta live?"), words)
    (berta,) = (words == hash_stem("berta")).nonzero(as_tuple=True)
    here, far_after, near_after, near_before, far_before, known = found.unbind(1)
    mentioned = [hash_stem("berta"), hash_stem("live")]
    assert here.nonzero().flatten().tolist() == [i for i, word in enumerate(words.tolist()) if word in mentioned]
    for after in (far_after, near_after):
        assert after[berta[0] + 1] > after[berta[0] - 1], "the last occurrence counts, not the next one"
    assert near_before[berta[0] - 1] > near_before[berta[0] - 4]
    assert far_before[0] > near_before[0]
    # `where` and `does` are as rare as the other two, and do not occur.
    torch.testing.assert_close(known, torch.full_like(known, 0.5))


def test_common_and_missing_words_match_nothing():
    words = words_of("The mill is red.")
    for question in ("Is the of?", "Who keeps bees?"):
        assert not match_features(RELEVANCE.rarities(question), words).any()
