from tiny import tiny_base

from lorify.answering.answerer import Answer, Answerer
from lorify.answering.batches import BATCH_CHARACTERS, BATCH_ROWS, SHARED_CHARACTERS, answer_in_batches
from lorify.answering.plan import AnswerPlan, Query
from lorify.base.decoding.sampling import GenerationOptions

OPTIONS = GenerationOptions(4)


class Recorder(Answerer):
    """Answers with the prompt in capitals and keeps the size of each batch."""

    def __init__(self) -> None:
        super().__init__(tiny_base())
        self.batches: list[list[str]] = []

    def answer(self, plans, options, *, with_confidence=False):
        prompts = [bytes(plan.prompt_ids).decode() for plan in plans]
        self.batches.append(prompts)
        return [Answer(prompt.upper(), adapter_on=False) for prompt in prompts]


def planned(queries: list[Query]) -> list[tuple[Query, AnswerPlan]]:
    return [(query, AnswerPlan(tuple(query.question.encode()))) for query in queries]


def test_answers_keep_the_order_of_the_queries_and_one_document_is_a_batch_of_its_own():
    answerer = Recorder()
    first, second = (f"document {i} ".ljust(SHARED_CHARACTERS, ".") for i in range(2))
    queries = [Query(f"q{i}", document=(first, second)[i % 2]) for i in range(6)]
    queries += [Query("a long one " * 9), Query("short"), Query("its own", document="document 2")]
    answers = answer_in_batches(answerer, planned(queries), OPTIONS)
    assert [answer.text for answer in answers] == [query.question.upper() for query in queries]
    assert answerer.batches == [["q0", "q2", "q4"], ["q1", "q3", "q5"], ["short", "its own", "a long one " * 9]]


def test_batches_are_limited_in_rows_and_characters():
    answerer = Recorder()
    answer_in_batches(answerer, planned([Query("q")] * (BATCH_ROWS + 1)), OPTIONS)
    long = "x" * (BATCH_CHARACTERS // 2)
    answer_in_batches(answerer, planned([Query(long + str(i)) for i in range(3)]), OPTIONS)
    assert [len(batch) for batch in answerer.batches] == [BATCH_ROWS, 1, 1, 1, 1]
