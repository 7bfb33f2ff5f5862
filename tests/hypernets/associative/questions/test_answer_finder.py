import pytest
import torch
from stand_in_readers import answer_logits
from tiny import tiny_base
from tiny_internalizer import INTERNALIZER

from lorify.hypernets.associative.questions.answer_finder import (
    EncodedDocument,
    ReaderQuery,
    answer_probabilities,
    find_new_answers,
)
from lorify.hypernets.associative.questions.relevance import Relevance
from lorify.hypernets.associative.questions.words import hash_stem, words_ending_at

RELEVANCE = Relevance(threshold=0.1, unseen_weight=5.0, weights={"the": 0.1, "is": 0.1, "of": 0.1})
TOKENIZER = tiny_base().tokenizer


def words_of(text: str) -> torch.Tensor:
    return words_ending_at(TOKENIZER(text, add_special_tokens=False)["input_ids"], TOKENIZER)


@torch.no_grad()
def test_questions_read_in_a_batch_give_the_same_as_each_alone():
    queries = []
    for i, question in enumerate(("Who keeps bees?", "Where does Ada live in the mill?", "When?")):
        for text in ("Ada keeps bees at the mill.", "Ada keeps bees.", "A mill is a mill. " * 20):
            document = EncodedDocument(torch.randn(len(words := words_of(text)), 8), words)
            queries.append(ReaderQuery(torch.randn(2 + i, 8), RELEVANCE.rarities(question), [document] * (1 + i % 2)))
    reader = INTERNALIZER.hypernetwork.reader
    for query, together in zip(queries, answer_probabilities(reader, queries), strict=True):
        (alone,) = answer_probabilities(reader, [query])
        for probabilities, wanted in zip(together, alone, strict=True):
            torch.testing.assert_close(probabilities, wanted)


def test_of_many_tokens_the_windows_with_words_of_the_question_are_read():
    texts = [
        "Ada lives in Torvik. " * 12,
        "The sea is cold. " * 12 + "Berta lives in Holm. " + "The sea is cold. " * 12,
    ]
    documents = [EncodedDocument(torch.zeros(len(words), 8), words) for words in map(words_of, texts)]
    lengths = []

    def reader(document, mask, questions, question_mask, matches):
        lengths.append(document.shape[1])
        return answer_logits(20 * matches[..., 0] - 5)

    query = ReaderQuery(torch.zeros(1, 8), RELEVANCE.rarities("Who is Berta of Holm?"), documents)
    ((torvik, sea),) = answer_probabilities(reader, [query], window_tokens=20, max_windows=2)
    assert lengths == [40]
    assert torvik.tolist() == pytest.approx([0.0] * len(torvik))
    (likely,) = (sea > 0.5).nonzero(as_tuple=True)
    assert documents[1].words[likely].tolist() == [hash_stem("berta"), hash_stem("holm")]


def test_a_follow_up_is_not_answered_by_what_was_answered_before():
    likely = {
        "Who built it?": [0.9, 0.1, 0.0],
        "Who built it?\nAnd when?": [0.95, 0.6, 0.1],
        "Who built it?\nAnd when?\nFor whom?": [0.9, 0.7, 0.4],
        "Who runs it?": [0.9, 0.1, 0.2],
    }

    class Finder:
        def find(self, questions, documents):
            return [
                [torch.tensor(likely[question]) for _ in own]
                for question, own in zip(questions, documents, strict=True)
            ]

    asked = list(likely)
    (builder,), (when,), (whom,), (runs,) = find_new_answers(Finder(), asked, [["document"]] * len(asked))
    assert builder.tolist() == pytest.approx(likely["Who built it?"])
    assert runs.tolist() == pytest.approx(likely["Who runs it?"])
    assert when.argmax() == 1 and whom.argmax() == 2
