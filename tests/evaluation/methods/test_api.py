from lorify.evaluation.methods.api import BATCH_CHARACTERS, BATCH_ROWS, SHARED_CHARACTERS, Prompt, ask_together


class Recorder:
    """Stands in for a loaded model: answers with the question, and keeps what was asked together."""

    def __init__(self):
        self.batches = []

    def ask_batch(self, questions, adapters, *, documents, turns, only_if_relevant, max_new_tokens):
        self.batches.append([*zip(questions, documents, strict=True)])
        return [question.upper() for question in questions]


def test_answers_are_in_the_order_of_the_questions_and_one_document_is_asked_about_at_once():
    model = Recorder()
    first, second = (f"document {i} ".ljust(SHARED_CHARACTERS, ".") for i in range(2))
    rows = [(f"q{i}", Prompt(document=(first, second)[i % 2])) for i in range(6)]
    rows += [("a long one " * 9, Prompt()), ("short", Prompt()), ("its own", Prompt(document="document 2"))]
    assert ask_together(model, rows, 4) == [question.upper() for question, _ in rows]
    together = [{document for _, document in batch} for batch in model.batches]
    assert together == [{first}, {second}, {None, "document 2"}]
    assert [question for question, _ in model.batches[-1]] == ["short", "its own", "a long one " * 9]


def test_batches_have_so_many_rows_and_so_much_text_at_most():
    model = Recorder()
    ask_together(model, [("q", Prompt())] * (BATCH_ROWS + 1), 4)
    long = "x" * (BATCH_CHARACTERS // 2)
    ask_together(model, [(long + str(i), Prompt()) for i in range(3)], 4)
    assert [len(batch) for batch in model.batches] == [BATCH_ROWS, 1, 1, 1, 1]
