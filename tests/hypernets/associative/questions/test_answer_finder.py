import pytest
import torch
from stand_in_readers import answer_logits
from tiny import tiny_base
from tiny_internalizer import INTERNALIZER

from lorify.contexts.texts.words import hash_stem
from lorify.hypernets.associative.questions.answer_finder import (
    EncodedDocument,
    ReaderQuery,
    TokenScores,
    find_new_answers,
    find_spans,
    score_tokens,
)
from lorify.hypernets.associative.questions.word_matches import words_ending_at
from lorify.hypernets.relevance import Relevance

RELEVANCE = Relevance(threshold=0.1, unseen_weight=5.0, weights={"the": 0.1, "is": 0.1, "of": 0.1})
TOKENIZER = tiny_base().tokenizer


def scores_of(*, belongs=None, begins=None, ends=None) -> TokenScores:
    known = next(values for values in (belongs, begins, ends) if values is not None)
    belongs, begins, ends = (torch.tensor([0.0] * len(known) if v is None else v) for v in (belongs, begins, ends))
    return TokenScores(belongs, begins.float(), ends.float())


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
    for query, together in zip(queries, score_tokens(reader, queries), strict=True):
        (alone,) = score_tokens(reader, [query])
        for scores, wanted in zip(together, alone, strict=True):
            for own, expected in zip(vars(scores).values(), vars(wanted).values(), strict=True):
                torch.testing.assert_close(own, expected)


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
    ((torvik, sea),) = score_tokens(reader, [query], window_tokens=20, max_windows=2)
    assert lengths == [40]
    assert torvik.belongs.tolist() == pytest.approx([0.0] * len(torvik.belongs))
    (likely,) = (sea.belongs > 0.5).nonzero(as_tuple=True)
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
                [scores_of(belongs=likely[question]) for _ in own]
                for question, own in zip(questions, documents, strict=True)
            ]

    asked = list(likely)
    (builder,), (when,), (whom,), (runs,) = find_new_answers(Finder(), asked, [["document"]] * len(asked))
    assert builder.belongs.tolist() == pytest.approx(likely["Who built it?"])
    assert runs.belongs.tolist() == pytest.approx(likely["Who runs it?"])
    assert when.belongs.argmax() == 1 and whom.belongs.argmax() == 2
    assert when.begins.argmin() == whom.begins.argmin() == 0


def test_the_best_span_begins_before_it_ends_and_is_short():
    document = scores_of(begins=[0, 9, 0, 5, 0], ends=[9, 0, 0, 7, 0])
    ((begin, end, probability),) = find_spans([document])
    assert (begin, end) == (1, 4) and 0.1 < probability < 0.12, "nine in ten times one in ten"
    ((begin, end, _),) = find_spans([document], max_tokens=2)
    assert (begin, end) == (3, 4)


def test_the_documents_of_a_question_share_its_probability():
    sure, unsure = scores_of(begins=[0, 9], ends=[0, 9]), scores_of(begins=[0, 8], ends=[0, 8])
    (alone,), (first, second) = find_spans([sure]), find_spans([sure, unsure])
    assert alone.probability > 0.99 and 0.5 < first.probability < 0.6 and second.probability < 0.1


def test_a_span_does_not_cross_what_was_not_read():
    unread = float("-inf")
    ((begin, end, _),) = find_spans([scores_of(begins=[9, unread, 1], ends=[0, unread, 9])])
    assert (begin, end) in ((0, 1), (2, 3))
    assert find_spans([scores_of(begins=[unread], ends=[unread]), scores_of(begins=[0], ends=[0])])[0] is None


def test_a_reader_that_finds_no_ends_gives_no_spans():
    assert find_spans([TokenScores(torch.ones(2), torch.zeros(2), None)]) == [None]
    assert find_spans([]) == []
