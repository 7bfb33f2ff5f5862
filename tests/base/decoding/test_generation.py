"""Decoding: fast decoding against the Hugging Face model, batches against single prompts, streams against batches."""

import random

import pytest
import torch
from tiny import FAMILIES, tiny_base, tiny_model, tiny_tokenizer
from torch import Tensor

from lorify.base.decoding.batching import start_decoding, supports_fast_decoding
from lorify.base.decoding.generation import generate_batch, stream_tokens
from lorify.base.decoding.prefill import prefilled
from lorify.base.decoding.sampling import GenerationOptions, Sampler, sample_tokens
from lorify.base.lora import LoraBatch, LoraTensors
from lorify.base.model import BaseLM

PROMPTS = [[1, 5, 9, 20, 33, 7], [7, 8, 9], [100] * 9]
FAST = ("llama", "mistral", "qwen2", "qwen3")


def random_lora(base: BaseLM, rows: int, *, shared: bool) -> LoraBatch:
    generator = torch.Generator().manual_seed(7)

    def noise(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator) * 0.3

    return {
        key: LoraTensors(
            noise(4, linear.in_features) if shared else noise(rows, 4, linear.in_features),
            noise(rows, 4, linear.out_features),
        )
        for key, linear in base.linear_keys.items()
    }


def row_of(lora: LoraBatch, row: int) -> LoraBatch:
    return {
        key: LoraTensors(pair.A if pair.A.dim() == 2 else pair.A[row : row + 1], pair.B[row : row + 1])
        for key, pair in lora.items()
    }


def continued(base: BaseLM, prompts=PROMPTS, *, lora=None, num=8, stop=frozenset(), **sampling) -> list[list[int]]:
    return generate_batch(base, prompts, GenerationOptions(num, **sampling), lora=lora, stop_ids=set(stop))


def recomputed(base: BaseLM, prompt: list[int], lora: LoraBatch | None, num: int) -> list[int]:
    """Greedy tokens with a whole forward pass for each."""
    ids = list(prompt)
    with torch.no_grad(), base.hooks.applied(lora):
        for _ in range(num):
            ids.append(int(base.model(torch.tensor([ids]), use_cache=False).logits[0, -1].argmax()))
    return ids[len(prompt) :]


@pytest.mark.parametrize("family", FAST)
@pytest.mark.parametrize("update", ["none", "shared", "own"])
def test_fast_decoding_has_the_logits_of_the_model(family: str, update: str) -> None:
    base = tiny_base(family)
    lora = None if update == "none" else random_lora(base, len(PROMPTS), shared=update == "shared")
    steps = torch.randint(3, 272, (len(PROMPTS), 5), generator=torch.Generator().manual_seed(0))
    batch = start_decoding(base, 20)
    batch.add_rows(prefilled(base, PROMPTS, lora))
    logits = torch.stack([batch.step(tokens) for tokens in steps.T], dim=1)
    for row, prompt in enumerate(PROMPTS):
        whole = torch.tensor([prompt + steps[row].tolist()])
        with torch.no_grad(), base.hooks.applied(None if lora is None else row_of(lora, row)):
            expected = base.model(whole, use_cache=False).logits[0, len(prompt) :]
        torch.testing.assert_close(logits[row], expected, atol=1e-4, rtol=0)


def test_fast_decoding_adds_biases() -> None:
    model = tiny_model("qwen2")
    torch.manual_seed(3)
    for name, parameter in model.named_parameters():
        if name.endswith("bias"):
            torch.nn.init.normal_(parameter)
    base = BaseLM(model, tiny_tokenizer(), name="biased", digest="biased")
    assert continued(base) == [recomputed(base, prompt, None, 8) for prompt in PROMPTS]


@pytest.mark.parametrize("family", FAMILIES)
def test_a_batch_continues_each_row_as_the_model_alone_does(family: str) -> None:
    base = tiny_base(family)
    lora = random_lora(base, len(PROMPTS), shared=True)
    assert continued(base, lora=lora) == [
        recomputed(base, prompt, row_of(lora, row), 8) for row, prompt in enumerate(PROMPTS)
    ]
    assert continued(base) == [recomputed(base, prompt, None, 8) for prompt in PROMPTS]


@pytest.mark.parametrize("family", FAST)
def test_a_common_beginning_is_read_once_and_changes_nothing(family: str, monkeypatch: pytest.MonkeyPatch) -> None:
    base = tiny_base(family)
    rng = random.Random(3)
    document = [rng.randrange(5, 120) for _ in range(90)]
    prompts = [document + [rng.randrange(5, 120) for _ in range(length)] for length in (3, 9, 5)]
    expected = [recomputed(base, prompt, None, 8) for prompt in [*prompts, document]]
    read: list[tuple[int, ...]] = []  # shapes of the prompts; further tokens do not pass through the Hugging Face model
    base.model.register_forward_pre_hook(
        lambda _model, _args, options: read.append(tuple(options["input_ids"].shape)), with_kwargs=True
    )
    assert continued(base, prompts) == expected[:-1]
    assert read == [(1, len(document)), (3, 9)]
    read.clear()
    assert continued(base, [document, document]) == [expected[-1]] * 2, "one token is left over"
    assert read == [(1, len(document) - 1), (2, 1)]


def test_one_update_serves_all_rows() -> None:
    base = tiny_base()
    lora = random_lora(base, 1, shared=False)
    assert continued(base, lora=lora) == [continued(base, [prompt], lora=lora)[0] for prompt in PROMPTS]


def test_the_cache_grows_with_the_sequence() -> None:
    base = tiny_base()
    assert continued(base, num=300)[1] == recomputed(base, PROMPTS[1], None, 300)


def test_a_sliding_window_that_matters_goes_through_the_model() -> None:
    assert supports_fast_decoding(tiny_base("mistral"), 4096)
    assert not supports_fast_decoding(tiny_base("mistral"), 4097)
    assert not supports_fast_decoding(tiny_base("gemma2"), 10)


@pytest.mark.parametrize("family", ["llama", "gemma2"])
def test_a_row_ends_before_its_stop_token_and_leaves_the_others_alone(family: str) -> None:
    base = tiny_base(family)
    lora = random_lora(base, len(PROMPTS), shared=False)
    free = continued(base, lora=lora)
    stop = next(token for token in free[0] if token not in free[1])

    def until_stop(row: list[int]) -> list[int]:
        return row[: row.index(stop)] if stop in row else row

    assert continued(base, lora=lora, stop={stop}) == [until_stop(row) for row in free]
    assert list(
        stream_tokens(base, PROMPTS[0], GenerationOptions(8), lora=row_of(lora, 0), stop_ids={stop})
    ) == until_stop(free[0])


@pytest.mark.parametrize("sampling", [{}, {"temperature": 0.8, "top_p": 0.9, "seed": 5}])
def test_a_stream_yields_what_a_batch_of_one_returns(sampling: dict) -> None:
    base = tiny_base()
    stream = stream_tokens(base, PROMPTS[0], GenerationOptions(12, **sampling), lora=None, stop_ids=set())
    assert list(stream) == continued(base, PROMPTS[:1], num=12, **sampling)[0]


def test_sampling_follows_its_seed() -> None:
    base = tiny_base()
    once = continued(base, temperature=1.0, seed=1)
    assert once == continued(base, temperature=1.0, seed=1)
    assert once != continued(base, temperature=1.0, seed=2)
    assert once != continued(base)


def test_a_tiny_nucleus_is_greedy() -> None:
    base = tiny_base()
    assert continued(base, temperature=2.0, top_p=0.0, seed=1) == continued(base)


def test_an_abandoned_stream_leaves_no_update_behind() -> None:
    base = tiny_base()
    lora = random_lora(base, 1, shared=True)
    stream = stream_tokens(base, PROMPTS[0], GenerationOptions(5), lora=lora, stop_ids=set())
    next(stream)
    assert base.hooks.current is None
    assert not torch.is_inference_mode_enabled()
    assert continued(base) == [recomputed(base, prompt, None, 8) for prompt in PROMPTS]


def test_nothing_to_do_gives_nothing() -> None:
    base = tiny_base()
    assert continued(base, []) == []
    assert continued(base, num=0) == [[], [], []]


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("family", ["llama", "qwen3", "gemma3"])
def test_rows_come_and_go_without_the_others_noticing(family: str, seed: int) -> None:
    """Rows join with an update of their own rank, a shared `A`, all alike or none, and wait or leave at any moment."""
    base = tiny_base(family)
    chance = random.Random(seed)
    prompts = [[chance.randrange(3, 272) for _ in range(chance.randrange(1, 40))] for _ in range(9)]
    shared = random_lora(base, len(prompts), shared=True)
    own = random_lora(base, len(prompts), shared=False)
    wide = {key: LoraTensors(torch.cat([p.A] * 2, 1), torch.cat([p.B] * 2, 1)) for key, p in own.items()}
    alike = row_of(shared, 0)
    # Now and then all with an update have the same one, or that at some layers alone.
    kinds = [chance.choice([None, shared, own, wide, alike] if seed % 2 else [None, alike, alike]) for _ in prompts]
    loras = [kind if kind is None or kind is alike else row_of(kind, row) for row, kind in enumerate(kinds)]
    if seed == 2:
        loras[5] = {key: pair for key, pair in alike.items() if key[1] == "down_proj"}
    expected = [recomputed(base, prompt, lora, 6) for prompt, lora in zip(prompts, loras, strict=True)]

    batch = start_decoding(base, 64)
    running: list[int] = []
    waiting, answers = list(range(len(prompts))), [[] for _ in prompts]
    while waiting or running:
        if running:
            row_index, other = (chance.randrange(len(running)) for _ in range(2))
            batch.swap_rows(row_index, other)
            running[row_index], running[other] = running[other], running[row_index]
            some = sorted(chance.sample(range(len(running)), chance.randint(1, len(running))))
            tokens = torch.tensor([answers[running[index]][-1] for index in some])
            for index, token in zip(some, batch.step(tokens, some).argmax(-1).tolist(), strict=True):
                answers[running[index]].append(token)
        if waiting and (not running or chance.random() < 0.6):
            row = waiting.pop(0)
            running.append(row)
            answers[row].append(int(batch.add_rows(prefilled(base, [prompts[row]], loras[row])).argmax(-1)))
        for row_index in reversed(range(len(running))):
            if len(answers[running[row_index]]) >= 6 or chance.random() < 0.02:
                batch.drop_row(row_index)
                running[row_index] = running[-1]
                running.pop()
        assert len(batch) == len(running)
    assert all(answer == whole[: len(answer)] for answer, whole in zip(answers, expected, strict=True))
    assert sum(len(answer) == 6 for answer in answers) > 4


def test_several_rows_join_at_once() -> None:
    base = tiny_base()
    lora = random_lora(base, len(PROMPTS), shared=True)
    batch = start_decoding(base, 64)
    rows = [[token] for token in batch.add_rows(prefilled(base, PROMPTS, None)).argmax(-1).tolist()]
    rows += [[token] for token in batch.add_rows(prefilled(base, PROMPTS, lora)).argmax(-1).tolist()]
    for _ in range(7):
        for row, token in zip(
            rows, batch.step(torch.tensor([row[-1] for row in rows])).argmax(-1).tolist(), strict=True
        ):
            row.append(token)
    assert rows == continued(base) + continued(base, lora=lora)


def test_each_row_is_sampled_by_its_own_seed() -> None:
    base = tiny_base()
    alone = [
        continued(base, [prompt], temperature=1.0, top_p=0.9, seed=5 + row)[0] for row, prompt in enumerate(PROMPTS)
    ]
    assert continued(base, temperature=1.0, top_p=0.9, seed=5) == alone


def test_tokens_are_drawn_with_their_probabilities() -> None:
    logits = torch.tensor([[2.0, 1.0, 0.0, -9.0]]).log_softmax(-1)
    for top_p, expected in ((1.0, logits.exp()[0]), (0.9, torch.tensor([0.731, 0.269, 0.0, 0.0]))):
        sampler = Sampler(GenerationOptions(temperature=1.0, top_p=top_p, seed=3))
        counts = torch.zeros(4)
        for _ in range(3000):
            counts[sample_tokens(logits, [sampler])] += 1
        torch.testing.assert_close(counts / 3000, expected, atol=0.03, rtol=0)


def test_many_biases_cost_no_operation_each(monkeypatch: pytest.MonkeyPatch) -> None:
    """Other rows wait for the biases of one."""
    base = tiny_base()
    biases = tuple((token, 1.0) for token in range(5, 250))
    options = GenerationOptions(1, logit_bias=(*biases, (7, 50.0), (7, 50.0)))
    logits = torch.zeros(1, 272)
    with torch.profiler.profile() as profile:
        assert sample_tokens(logits, [Sampler(options)]).tolist() == [7]
    assert len(profile.events()) < len(biases)
    assert continued(base, num=2, logit_bias=((9, 100.0),)) == [[9, 9]] * len(PROMPTS)
