"""Fit known answers into an adapter in closed form.

Each block of the adapter adds `B A x` to the hidden state. At the tokens from which an answer is predicted, the change
`D` of the last hidden state that makes the answer the most probable one is known to first order. The blocks share it.
The smallest change of all `B` that gives `D` is a ridge regression with the blocks' `A x` side by side as inputs:

    dB = D^T (Q Q^T + damping)^-1 Q,  Q = [A_1 x_1, A_2 x_2, ...]   [targets, blocks * rank]

Tokens that are right by the margin already have `D = 0`, which holds them. As the hidden state of later blocks changes
too, a few rounds are needed; each is one forward pass.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from transformers import DynamicCache

from lorify.adapters import Adapter, AdapterStack, LoraPair, build_lora_batch
from lorify.adapters.adapter import Key
from lorify.base.decoding.prefill import cache_argument
from lorify.base.lora import LoraBatch
from lorify.base.model import BaseLM
from lorify.base.precision import widest_float
from lorify.errors import AdapterError
from lorify.hypernets.refinement.training_examples import TrainingExample, pad_examples

ROUNDS = 4
MARGIN = 5.0
"""By how much the logit of an answer's token is to exceed all others."""
MAX_CHANGE = 0.5
"""Largest change of a hidden state, relative to its norm, for which the first order is trusted."""
DAMPING = 0.01
"""Relative to the mean of the diagonal of `Q Q^T`."""
BATCH_SIZE = 16


@dataclass(frozen=True)
class _Targets:
    """What one forward pass says about the target tokens of examples.

    Attributes:
        reads: key -> `A x` of the adapter, scaled `[targets, r]`.
        change: wanted change of the last hidden state `[targets, hidden]`.
    """

    reads: Mapping[Key, Tensor]
    change: Tensor


@dataclass(frozen=True)
class _Prefix:
    """Tokens with which all prompts begin, such as those of the chat template.

    Attributes:
        tokens: how many.
        cache: their keys and values, of one row.
    """

    tokens: int
    cache: DynamicCache

    def for_rows(self, base: BaseLM, rows: int) -> dict[str, DynamicCache]:
        """Copy the keys and values for a number of rows, as an argument of the decoder."""
        cache = copy.deepcopy(self.cache)
        cache.batch_repeat_interleave(rows)
        return cache_argument(base, cache)


def fit_answers(
    base: BaseLM,
    examples: Sequence[TrainingExample],
    start: Adapter,
    *,
    keys: Sequence[Key] | None = None,
    beside: Adapter | None = None,
    rounds: int = ROUNDS,
    damping: float = DAMPING,
    is_over: Callable[[], bool] | None = None,
) -> Adapter:
    """Change the `B` of an adapter so that it gives known answers.

    Args:
        base: the base.
        examples: questions with known answers; without any, the start is returned.
        start: the adapter.
        keys: which of its pairs are changed: one linear layer that writes to the hidden state, such as `down_proj`, of
            some blocks; None: those of the largest rank, which are a document's memory.
        beside: another adapter that is on too.
        rounds: number of rounds.
        damping: relative to the mean of the diagonal of `Q Q^T`.
        is_over: asked before each round but the first; True ends the fit.

    Returns:
        The adapter with other weights; all else is as in `start`.

    Raises:
        AdapterError: if the pairs are of other linear layers.
    """
    changed = list(keys or (key for key, shape in start.shapes.items() if shape.rank == start.rank))
    _check_modules(base, changed)
    adapter = start
    for number in range(rounds if examples else 0):
        if number and is_over is not None and is_over():
            break
        lora = _lora_of(base, adapter, beside)
        prefix = _read_prefix(base, examples, lora)
        parts = [_measure(base, batch, lora, adapter, changed, prefix) for batch in _in_batches(examples)]
        adapter = _solve(adapter, parts, damping)
    return adapter


def target_inputs(
    base: BaseLM, examples: Sequence[TrainingExample], adapter: Adapter, keys: Sequence[Key]
) -> dict[Key, Tensor]:
    """Read the inputs of linear layers at the tokens from which answers are predicted.

    Args:
        base: the base.
        examples: questions with known answers.
        adapter: the adapter that is on.
        keys: the linear layers, of one module.

    Returns:
        Inputs of each `[targets, d_in]`, in float32.
    """
    lora = _lora_of(base, adapter)
    prefix = _read_prefix(base, examples, lora)
    with torch.no_grad():
        parts = [_run(base, batch, lora, keys, prefix).inputs for batch in _in_batches(examples)]
    return {key: torch.cat([part[key] for part in parts]) for key in keys}


def _lora_of(base: BaseLM, adapter: Adapter, beside: Adapter | None = None) -> LoraBatch | None:
    """Lay out adapters for one row, which stands for all rows of a batch."""
    return build_lora_batch([AdapterStack(tuple((each, 1.0) for each in (beside, adapter) if each is not None))], base)


def _in_batches(examples: Sequence[TrainingExample]) -> list[Sequence[TrainingExample]]:
    """Divide examples into batches."""
    return [examples[i : i + BATCH_SIZE] for i in range(0, len(examples), BATCH_SIZE)]


def _check_modules(base: BaseLM, keys: Collection[Key]) -> None:
    modules = {module for _, module in keys}
    if len(modules) != 1 or any(module not in base.writing_modules(layer) for layer, module in keys):
        names = ", ".join(sorted(modules))
        raise AdapterError(
            f"answers cannot be fitted into an adapter of {names}; expected an adapter of one layer that writes to the "
            "hidden state, such as down_proj"
        )


@dataclass(frozen=True)
class _Run:
    """Examples after they went through the base.

    Attributes:
        inputs: inputs of linear layers at the target tokens `[targets, d_in]`, in float32.
        hidden: last hidden state there, after the final norm `[targets, hidden]`.
        last: output of the last block `[rows, tokens, hidden]`; the graph begins here.
        at: row and token of each target.
    """

    inputs: Mapping[Key, Tensor]
    hidden: Tensor
    last: Tensor
    at: tuple[Tensor, Tensor]


def _run(
    base: BaseLM,
    examples: Sequence[TrainingExample],
    lora: LoraBatch | None,
    keys: Sequence[Key],
    prefix: _Prefix | None,
) -> _Run:
    ids, mask, (rows, positions) = pad_examples(examples, base.device)
    skipped = 0 if prefix is None else prefix.tokens
    cached = {"use_cache": False} if prefix is None else prefix.for_rows(base, len(examples))
    at = rows, positions - skipped
    hooks, layers = base.activation_hooks, [layer for layer, _ in keys]
    with hooks.recorded_inputs(layers, keys[0][1]) as inputs, hooks.detached_last_block() as last:
        with base.hooks.applied(lora):
            hidden = base.decoder(input_ids=ids[:, skipped:], attention_mask=mask, **cached).last_hidden_state
    return _Run({key: inputs[key[0]][at].float() for key in keys}, hidden[at], last[-1], at)


def _measure(
    base: BaseLM,
    examples: Sequence[TrainingExample],
    lora: LoraBatch | None,
    adapter: Adapter,
    keys: Sequence[Key],
    prefix: _Prefix | None,
) -> _Targets:
    """Run the examples through the base with the adapters on."""
    run = _run(base, examples, lora, keys, prefix)
    reads = {
        key: adapter.scaling(key) * (run.inputs[key] @ adapter.weights[key].A.to(base.device, torch.float32).T)
        for key in keys
    }
    targets = torch.cat([example.top_ids[:, 0] for example in examples])
    margin = _margin(base.logits(run.hidden), targets)
    (slope,) = torch.autograd.grad(margin.sum(), run.last)
    last = run.last[run.at].detach().float()
    return _Targets(reads, _smallest_change(slope[run.at].float(), margin.detach(), last))


def _shared_tokens(examples: Sequence[TrainingExample]) -> int:
    """Number of tokens with which all prompts begin, such as those of the chat template."""
    shortest = min(len(example.ids) - example.num_targets for example in examples)
    columns = zip(*(example.ids[:shortest] for example in examples), strict=True)
    return next((i for i, tokens in enumerate(columns) if len(set(tokens)) > 1), shortest)


@torch.no_grad()
def _read_prefix(base: BaseLM, examples: Sequence[TrainingExample], lora: LoraBatch | None) -> _Prefix | None:
    """Read the tokens with which all prompts begin, with adapters on; None if there are none."""
    shared = 0 if base.is_recurrent else _shared_tokens(examples)
    if not shared:
        return None
    cache = DynamicCache(config=base.model.config)
    ids = torch.tensor([examples[0].ids[:shared]], device=base.device)  # [1, shared]
    with base.hooks.applied(lora):
        base.decoder(input_ids=ids, use_cache=True, **cache_argument(base, cache))
    return _Prefix(shared, cache)


def _smallest_change(slope: Tensor, margin: Tensor, hidden: Tensor) -> Tensor:
    """The smallest change of hidden states `[targets, hidden]` that gives targets their margin, within a trust region.

    Args:
        slope: gradient of each margin `[targets, hidden]`; a margin depends on the hidden state of its own token alone.
        margin: the margins `[targets]`.
        hidden: the hidden states `[targets, hidden]`.
    """
    steepness = slope.norm(dim=-1)
    size = ((MARGIN - margin).clamp_min(0) / steepness).minimum(MAX_CHANGE * hidden.norm(dim=-1))  # [targets]
    return slope * (size / steepness).unsqueeze(-1)


def _margin(logits: Tensor, targets: Tensor) -> Tensor:
    """By how much the logit of each target `[targets]` exceeds all others; `logits` are `[targets, vocabulary]`."""
    own = logits.gather(-1, targets.unsqueeze(-1)).squeeze(-1)
    return own - logits.scatter(-1, targets.unsqueeze(-1), -torch.inf).amax(-1)


def _solve(adapter: Adapter, parts: Sequence[_Targets], damping: float) -> Adapter:
    """The adapter after one round."""
    reads = {key: torch.cat([part.reads[key] for part in parts]) for key in parts[0].reads}
    change = torch.cat([part.change for part in parts])  # [targets, hidden]
    gram = torch.stack([read @ read.T for read in reads.values()]).sum(0)  # [targets, targets]
    ridge = damping * gram.diagonal().mean() * torch.eye(len(gram), device=gram.device)
    wide = widest_float(gram.device)
    shares = torch.linalg.solve((gram + ridge).to(wide), change.to(wide)).float()  # [targets, hidden]
    weights = dict(adapter.weights)
    for key, read in reads.items():
        pair = weights[key]
        weights[key] = LoraPair(pair.A, pair.B + (shares.T @ read).to(pair.B.device, pair.B.dtype))
    return replace(adapter, weights=weights)
