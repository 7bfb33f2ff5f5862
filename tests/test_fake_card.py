"""The fake card finds what CUDA would refuse, and computes what it would accept."""

import threading

import pytest
import torch
from fake_card import CARD, DeviceSlip, fake_card
from torch import nn


@pytest.fixture(autouse=True)
def card():
    with fake_card():
        yield


def test_tensors_say_where_they_are() -> None:
    x = torch.ones(2, device="cuda")
    assert x.device == CARD and x.is_cuda and (x + 1).device == CARD and torch.zeros_like(x).device == CARD
    assert x.cpu().device.type == "cpu" and x.to("cpu").device.type == "cpu" and x.new_zeros(3).device == CARD
    assert torch.ones(2).to(x).device == CARD and x.to(torch.float16).device == CARD and x.sum().item() == 2


@pytest.mark.parametrize(
    "slip",
    [
        lambda x: x + torch.ones(2),
        lambda x: torch.cat([x, torch.ones(2)]),
        lambda x: torch.ones(2)[x.long()],
        lambda x: torch.equal(x, torch.ones(2)),
        lambda x: x.numpy(),
        lambda x: nn.Linear(2, 2)(x),
        lambda x: nn.Linear(2, 2).to("cuda")(torch.ones(2)),
        lambda x: torch.rand(2, generator=torch.Generator(), device=x.device),
        lambda x: x.__setitem__(torch.tensor([0, 1]), torch.ones(2)),
    ],
)
def test_slips_are_found(slip) -> None:
    with pytest.raises(DeviceSlip):
        slip(torch.ones(2, device="cuda"))


def test_what_cuda_accepts_is_computed() -> None:
    x = torch.arange(3.0, device="cuda")
    assert (x * torch.tensor(2.0)).tolist() == [0, 2, 4]
    assert x[torch.tensor([1])].tolist() == [1]
    x[:2] = torch.ones(2)
    assert x.copy_(torch.zeros(3)).tolist() == [0, 0, 0]


def test_modules_are_trained() -> None:
    linear = nn.Linear(2, 1).to("cuda")
    optimizer = torch.optim.AdamW(linear.parameters(), lr=0.1)
    before = linear.weight.tolist()
    linear(torch.ones(4, 2, device="cuda")).sum().backward()
    assert linear.weight.grad is not None and linear.weight.grad.device == CARD
    torch.nn.utils.clip_grad_norm_(linear.parameters(), 1.0)
    optimizer.step()
    assert linear.weight.device == CARD and linear.weight.tolist() != before


def test_threads_find_slips_too() -> None:
    found = []

    def slip() -> None:
        try:
            torch.ones(2, device="cuda") + torch.ones(2)
        except DeviceSlip as error:
            found.append(error)

    thread = threading.Thread(target=slip)
    thread.start()
    thread.join()
    assert found
