import torch
from tiny import tiny_base
from tiny_internalizer import INTERNALIZER
from training.tiny_associative_run import GENERAL, PASSAGE, tiny_config

from lorify.contexts.documents import document_from_text
from lorify.contexts.encoders.features import encode_chunks
from lorify.hypernets.associative.internalizer import AssociativeInternalizer
from lorify.hypernets.associative.questions.answer_finder import AnswerFinder
from lorify.hypernets.relevance import Relevance
from lorify.training.associative.batches import StepBuilder
from lorify.training.associative.rows import plan_rows, write_rows
from lorify.training.associative.step_memory import StepEncoder

BASE, CONFIG, HYPERNETWORK = INTERNALIZER.base, INTERNALIZER.config, INTERNALIZER.hypernetwork
RELEVANCE = Relevance(threshold=0.1, unseen_weight=5.0, weights={})


def build_step(**data):
    config = tiny_config()
    config = config.model_copy(update={"data": config.data.model_copy(update=data)})
    return StepBuilder(config, BASE, passages=[PASSAGE], general=[GENERAL]).build(0)


@torch.no_grad()
def test_keys_of_a_step_are_found_by_chunk_and_index():
    step = build_step()
    memory = StepEncoder(BASE, CONFIG, HYPERNETWORK, bf16=False).encode(step)
    for number, chunk in enumerate(step.chunks):
        alone = HYPERNETWORK(encode_chunks(BASE, [chunk], layers=CONFIG.layers, module=CONFIG.module)).keys
        for index in (1, len(chunk) - 1):
            found = memory.keys[:, memory.chunk_offsets[number] + index]
            torch.testing.assert_close(found, alone[:, 0, index], rtol=1e-4, atol=1e-5)


@torch.no_grad()
def test_a_question_is_focused_in_training_as_at_inference():
    step = build_step(focus_probability=1.0, distractor_probability=0.0)
    config = CONFIG.model_copy(update={"chunk_tokens": 64})
    memory = StepEncoder(BASE, config, HYPERNETWORK, bf16=False).encode(step)
    rows = plan_rows(step, memory, AnswerFinder(BASE, config, HYPERNETWORK, RELEVANCE, bf16=False))
    num_focused = sum(row.factors is not None for row in rows)
    assert num_focused == sum(bool(s.question) for row in step.rows for s in row) > 0
    ((number, mill),) = [(n, row) for n, row in enumerate(rows) if "mill" in row.segments[0].question]
    internalizer = AssociativeInternalizer(tiny_base(), config, HYPERNETWORK, "tiny", "d1", RELEVANCE)
    adapter = internalizer.internalize([document_from_text(PASSAGE.documents[0], "passage")])
    (prepared,) = internalizer.prepare([adapter], [PASSAGE.questions[0].text], only_if_relevant=False)
    focused = prepared.adapter
    _, (document,) = internalizer.documents_of(adapter)
    assert mill.factors.count_nonzero() == len(document.tokens.words)
    wanted = torch.stack([focused.weights[layer, "down_proj"].B.T for layer in config.layers])
    found = write_rows(HYPERNETWORK, step, rows, memory)[:, number]
    torch.testing.assert_close(found, wanted, rtol=0, atol=0.02 * wanted.abs().max().item())
