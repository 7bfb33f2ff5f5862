import math

import pytest
import torch

from lorify.hypernets.associative.reader import AnswerLogits
from lorify.training.reader.losses import SpanTargets, answer_span_loss


def test_the_documents_of_a_question_compete():
    begins = torch.tensor([[False, True, False], [False, False, False]])
    occurrence = torch.where(begins, 1, -1)
    mask = torch.tensor([[True, True, True], [True, True, False]])
    question = torch.tensor([0, 0])

    def scored(first: list[float], second: list[float]) -> tuple[float, bool]:
        logits = torch.tensor([first, second])
        loss, right = answer_span_loss(
            AnswerLogits(logits, torch.where(begins, 20.0, -20.0)),
            mask,
            question,
            SpanTargets(begins, begins, occurrence),
            1,
            belongs_weight=0.1,
        )
        return loss.item(), bool(right.item())

    loss, right = scored([0.0, 9.0, 0.0], [0.0, 0.0, 99.0])
    assert right and loss < 0.01, "padding does not compete"
    loss, right = scored([0.0, 9.0, 0.0], [0.0, 12.0, 0.0])
    assert not right and loss == pytest.approx(3.05, abs=0.01)


def test_of_an_answer_that_occurs_twice_the_likelier_occurrence_is_learned():
    begins = torch.tensor([[True, False, True, False]])
    occurrence = torch.tensor([[0, -1, 2, -1]])
    logits = torch.tensor([[8.0, 0.0, 0.0, 0.0]], requires_grad=True)
    belongs = torch.zeros(1, 4, requires_grad=True)
    mask = torch.ones(1, 4, dtype=torch.bool)
    loss, right = answer_span_loss(
        AnswerLogits(logits, belongs),
        mask,
        torch.tensor([0]),
        SpanTargets(begins, begins, occurrence),
        1,
        belongs_weight=0.1,
    )
    loss.sum().backward()
    assert right.item()
    assert belongs.grad[0, 0] < -0.04 < belongs.grad[0, 2] <= 0 < belongs.grad[0, 1]


def test_no_token_belongs_to_an_unanswerable_question():
    nowhere = torch.zeros(1, 3, dtype=torch.bool)
    mask = torch.tensor([[True, True, False]])

    def scored(belongs: list[float]) -> tuple[float, bool]:
        logits = AnswerLogits(torch.tensor([[0.0, 9.0, 0.0]]), torch.tensor([belongs]))
        occurrence = torch.full((1, 3), -1)
        targets = SpanTargets(nowhere, nowhere, occurrence)
        loss, right = answer_span_loss(logits, mask, torch.tensor([0]), targets, 1, belongs_weight=1.0)
        return loss.item(), bool(right.item())

    assert scored([-20.0, -20.0, 20.0]) == (pytest.approx(0, abs=1e-6), True), "padding does not count"
    loss, right = scored([-20.0, 5.0, -20.0])
    assert loss > 4 and not right


def test_the_end_of_an_answer_is_learned_with_its_beginning():
    begins, ends = torch.tensor([[True, False, False, False]]), torch.tensor([[False, True, False, False]])
    targets = SpanTargets(begins, ends, torch.tensor([[0, 0, -1, -1]]))
    mask = torch.tensor([[True, True, True, False]])

    def loss_of(end: int | None) -> float:
        sure = torch.tensor([[9.0, 0.0, 0.0, 0.0]])
        logits = AnswerLogits(
            sure, torch.where(targets.occurrence >= 0, 20.0, -20.0), None if end is None else sure.roll(end)
        )
        loss, right = answer_span_loss(logits, mask, torch.tensor([0]), targets, 1, belongs_weight=0.1)
        assert right.item()
        return loss.item()

    assert loss_of(1) < 0.01, "the right end"
    assert loss_of(2) == pytest.approx(9, abs=0.01)
    assert loss_of(3) == pytest.approx(math.log(3), abs=0.01), "padding does not compete"
    assert loss_of(None) < loss_of(1), "a reader without ends"
