"""Wrong arguments of the Python API are lorify's errors, in one line that names the argument and the way out."""

import inspect
from pathlib import Path

import pytest
from tiny_lorify import tiny_lorify

import lorify
from lorify.contexts.documents import document_from_text
from lorify.errors import LorifyError

MODEL = tiny_lorify()
MILL = document_from_text("The mill opens at nine. Its owner is Ada.", "mill")
ADAPTER = MODEL.internalize(MILL)
STACK = MODEL.combine([(ADAPTER, 0.5)])
CHAT = [{"role": "user", "content": "Who?"}]


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: MODEL.internalize([MILL, MILL]), "a source is of type list.*internalize\\(a, b\\)"),
        (lambda: MODEL.internalize(None), "a source is None.*document_from_text"),
        (lambda: MODEL.internalize(b"text"), "a source is of type bytes"),
        (lambda: MODEL.internalize(MILL, keep="all"), "keep is the text 'all', expected one of tokens, index, none"),
        (lambda: MODEL.add("handbook", MILL), "adapter is the text 'handbook', expected an adapter.*load_adapter"),
        (lambda: MODEL.add(ADAPTER, [MILL]), "a source is of type list"),
        (lambda: MODEL.remove(ADAPTER, ["mill"]), "a name is of type list.*remove\\(adapter, 'a.md', 'b.md'\\)"),
        (lambda: MODEL.remove(ADAPTER), "no name of a document was given"),
        (lambda: MODEL.refine(ADAPTER, MILL, seconds="5"), "seconds is the text '5', expected a positive number"),
        (lambda: MODEL.study(ADAPTER, MILL, seconds=-1), "seconds is -1, expected a positive number"),
        (lambda: MODEL.refine(STACK, MILL, seconds=1), "adapter is a stack of adapters, expected one adapter"),
        (lambda: MODEL.refine_task(ADAPTER, [("a", "b")], seconds=1), "examples\\[0\\] is of type tuple.*TaskExample"),
        (lambda: MODEL.specialize(["Say no."]), "description is of type list, expected a text"),
        (lambda: MODEL.estimate(None, "Say no."), "adapter is None, expected an adapter"),
        (lambda: MODEL.combine(ADAPTER), "adapters is of type Adapter, expected a list of pairs"),
        (lambda: MODEL.combine([ADAPTER]), "adapters\\[0\\] is of type Adapter, expected an adapter with its scale"),
        (lambda: MODEL.combine([("a", 1.0)]), "adapters\\[0\\]\\[0\\] is the text 'a', expected an adapter"),
        (lambda: MODEL.ask(["Who?"], ADAPTER), "question is of type list, expected a text"),
        (lambda: MODEL.ask("Who?", [ADAPTER]), "expected an adapter, got list.*combine"),
        (lambda: MODEL.ask("Who?", document=Path("a.md")), "document is of type PosixPath, expected a text or None"),
        (lambda: MODEL.ask("Who?", max_new_tokens=0), "max_new_tokens is 0, expected a whole number of tokens"),
        (lambda: MODEL.ask("Who?", max_new_tokens=8.0), "max_new_tokens is 8.0"),
        (lambda: MODEL.ask("Who?", schema="{}"), "schema is the text '{}', expected a JSON schema"),
        (lambda: MODEL.ask_by_document(None, ADAPTER), "question is None, expected a text"),
        (lambda: MODEL.ask_batch("Who?", [ADAPTER]), "questions is the text 'Who\\?', expected a list of texts"),
        (lambda: MODEL.ask_batch(["Who?"], ADAPTER), "adapters is of type Adapter, expected a list of adapters"),
        (lambda: MODEL.ask_batch(["Who?"], ["mill"]), "adapters\\[0\\] is the text 'mill'"),
        (lambda: MODEL.ask_batch(["Who?"], []), "adapters has 0 items, but there are 1 questions; give one for each"),
        (lambda: MODEL.ask_batch(["Who?"], [None], documents=["a", "b"]), "documents has 2 items, but there are 1"),
        (lambda: MODEL.ask_batch(["Who?"], [None], turns=[[], []]), "turns has 2 items, but there are 1"),
        (lambda: MODEL.choose("Who?", "yes"), "choices is the text 'yes', expected a list of texts"),
        (lambda: MODEL.choose("Who?", ["yes", 1]), "choices\\[1\\] is 1, expected a text"),
        (lambda: MODEL.stream("hi"), "messages is a text, expected the turns of a chat.*'role'.*ask one question"),
        (lambda: MODEL.stream([]), "messages has no turn"),
        (lambda: MODEL.stream(["hi"]), "messages\\[0\\] is the text 'hi', expected a turn with the texts role and"),
        (lambda: MODEL.stream([{"role": "user"}]), "messages\\[0\\] is of type dict"),
        (lambda: MODEL.stream(CHAT, max_new_tokens=None), "max_new_tokens is None"),
        (lambda: MODEL.save("handbook", ADAPTER), "adapter is the text 'handbook'"),
        (lambda: MODEL.save(ADAPTER, None), "folder is None, expected a path"),
        (lambda: MODEL.export_parts(ADAPTER, 7), "folder is 7, expected a path"),
        (lambda: MODEL.load_adapter(ADAPTER), "folder is of type Adapter, expected a path"),
        (lambda: lorify.load(None), "base is None, expected a path"),
        (lambda: lorify.load_router(ADAPTER), "folder is of type Adapter, expected a path"),
        (lambda: lorify.specialize(None), "description is None, expected a text"),
    ],
)
def test_a_wrong_argument_is_named_in_one_line(call, message):
    with pytest.raises(LorifyError, match=f"^{message}") as refused:
        call()
    assert "\n" not in str(refused.value) and ";" in str(refused.value)


def test_right_arguments_of_every_form_are_accepted(tmp_path):
    assert isinstance(MODEL.ask("Who?", STACK, max_new_tokens=2), str)
    assert len(MODEL.ask_batch(("Who?", "When?"), (ADAPTER, None), documents=[None, "At nine."], max_new_tokens=2)) == 2
    assert list(MODEL.stream(tuple(CHAT), ADAPTER, max_new_tokens=2)) is not None
    MODEL.save(ADAPTER, str(tmp_path / "adapter"))
    assert MODEL.load_adapter(tmp_path / "adapter").provenance == ADAPTER.provenance


def test_checks_leave_the_signature_and_docstring_of_a_verb():
    assert list(inspect.signature(lorify.Lorify.ask).parameters)[:3] == ["self", "question", "adapter"]
    assert "Answer a question" in (lorify.Lorify.ask.__doc__ or "")
