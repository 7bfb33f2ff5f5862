from lorify.contexts.documents import document_from_text
from lorify.data.answers import NOT_STATED
from lorify.evaluation.methods.internalized import Internalized
from lorify.evaluation.methods.registry import parse_methods
from lorify.evaluation.suites.facts import FactsSuite


def test_statistics_and_tokens_stored_beside_the_weights_are_counted(model):
    (case,) = FactsSuite(documents=1, questions=1).build(model)
    methods = parse_methods("none,icl,adapter,adapter:focus=false")
    kept = {method.label: method.load(model, 4)(case).kept_bytes for method in methods}
    assert kept["none"] == kept["icl"] == 0
    (statistics,) = model.internalize(document_from_text(case.documents[0])).statistics
    assert kept["adapter"] == sum(tensor.numel() * tensor.element_size() for tensor in statistics.tensors.values())
    assert kept["adapter"] > kept["adapter:focus=false"] > 0  # without tokens


def test_they_grow_with_the_document_and_the_weights_do_not(model):
    short, long = (FactsSuite(documents=1, questions=1, pages=pages).build(model)[0] for pages in (1, 3))
    ingest = Internalized().load(model, 4)
    one, three = ingest(short), ingest(long)
    assert one.adapter.num_bytes == three.adapter.num_bytes
    assert three.kept_bytes > 1.5 * one.kept_bytes


def test_options_decide_what_happens_to_questions_without_an_answer(model):
    (case,) = FactsSuite(documents=1, questions=1).build(model)
    queries = {
        method.label: method.load(model, 4)(case).query_for("Why?")
        for method in parse_methods("adapter,adapter:decline=true,adapter:grounded=true,adapter:quote=false")
    }
    plain, declining, grounded, unquoted = queries.values()
    assert plain.not_stated is None and not plain.grounded and plain.may_quote
    assert declining.not_stated == grounded.not_stated == NOT_STATED
    assert grounded.grounded and not declining.grounded and not unquoted.may_quote
