"""What `lorify adapter show` prints is read by people who know nothing of its fields."""

from dataclasses import replace

from tiny_lorify import tiny_lorify

from lorify.adapters import Adapter, merge_adapters
from lorify.commands.adapters.adapter import summarize_adapter
from lorify.commands.adapters.summary import describe
from lorify.contexts.documents import document_from_text
from lorify.hypernets.specializer import task_document

MODEL = tiny_lorify()
ADAPTER = MODEL.internalize(document_from_text("The mill opens at nine.", "mill"))


def shown(adapter: Adapter) -> str:
    return "\n".join(describe(summarize_adapter(adapter) | {"file_bytes": 3_771_212}))


def with_provenance(**changes: object) -> Adapter:
    return replace(ADAPTER, provenance=ADAPTER.provenance.model_copy(update=changes))


def test_an_adapter_of_documents_is_described_in_words():
    text = shown(with_provenance(fidelity=0.909, studied_seconds=8.0))
    assert "3.8 MB in 3,771,212 bytes" in text
    assert "91% of the checked statements" in text and "studied          for 8.00 s" in text
    assert "1 text; more can be added, and each can be removed" in text
    assert "  mill  " in text and "keeps tokens" in text
    assert "None" not in text and "False" not in text


def test_why_documents_cannot_be_changed_is_said():
    assert "fixed, since the adapter was refined" in shown(with_provenance(refined_seconds=2.0))
    assert "keeps nothing to rebuild it from" in shown(merge_adapters([(ADAPTER, 1.0), (ADAPTER, 0.5)]))


def test_an_adapter_of_a_task_is_described_in_words():
    text = shown(with_provenance(follows=0.3656, num_examples=3, needs_default_system_message=True))
    assert "its description with an estimated probability of 37%" in text
    assert "3 fitted into it" in text and "default system message" in text


def test_an_adapter_of_a_task_description_contains_a_task():
    record = ADAPTER.provenance.documents[0].model_copy(update={"name": task_document("Answer in French.").name})
    task = replace(with_provenance(documents=(record,)), statistics=None)
    text = shown(task)
    assert "contains         1 task; fixed: a new description makes a new adapter" in text
    assert "text" not in text.splitlines()[-2]
    both = shown(merge_adapters([(ADAPTER, 1.0), (task, 1.0)]))
    assert "contains         1 text and 1 task; fixed" in both
