"""Fit known answers into an adapter in closed form.

Each block of the adapter adds `B A x` to the hidden state. At the tokens from which an answer is predicted, the change
`D` of the last hidden state that makes the answer the most probable one is known to first order. All blocks together
contribute it. The smallest change of all `B` that gives `D` is a ridge regression on the concatenated `A x` of the
blocks:

    dB = D^T (Q Q^T + damping)^-1 Q,  Q = [A_1 x_1, A_2 x_2, ...]   [targets, blocks * rank]

Tokens that are already right by the margin have `D = 0`, which keeps them unchanged. A few rounds are needed, since the
hidden states of later blocks change too. The first round takes one forward pass; later ones skip the blocks below the
adapter's.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from lorify.adapters import Adapter, AdapterStack, LoraPair, build_lora_batch
from lorify.adapters.adapter import Key
from lorify.base.lora import LoraBatch
from lorify.base.model import BaseLM
from lorify.base.packed_prompts import allowed_attention, pack_prompts
from lorify.base.precision import widest_float
from lorify.base.upper_blocks import UpperBlocks
from lorify.errors import AdapterError
from lorify.hypernets.adapter_training.time_limit import UNLIMITED, TimeLimit
from lorify.hypernets.adapter_training.training_examples import TrainingExample, pad_examples

BATCH_SIZE = 16


@dataclass(frozen=True)
class FitSettings:
    """How answers are fitted.

    Attributes:
        rounds: number of rounds.
        margin: by how much the logit of an answer's token should exceed all others.
        max_change: largest change of a hidden state in a round, relative to its norm.
        damping: relative to the mean of the diagonal of `Q Q^T`.
    """

    rounds: int = 4
    margin: float = 5.0
    max_change: float = 0.5
    damping: float = 0.01


@dataclass(frozen=True)
class _Targets:
    """What one forward pass measures at the target tokens of examples.

    Attributes:
        reads: key -> `A x` of the adapter, scaled `[targets, r]`.
        change: required change of the last hidden state `[targets, hidden]`.
    """

    reads: Mapping[Key, Tensor]
    change: Tensor


def fit_answers(
    base: BaseLM,
    examples: Sequence[TrainingExample],
    start: Adapter,
    *,
    keys: Sequence[Key] | None = None,
    beside: Adapter | None = None,
    settings: FitSettings = FitSettings(),
    limit: TimeLimit = UNLIMITED,
    runs: Sequence[ExampleRun] | None = None,
) -> Adapter:
    """Change the `B` of an adapter so that it gives known answers.

    Args:
        base: the base.
        examples: questions with known answers; if empty, `start` is returned.
        start: the adapter.
        keys: which of its pairs to change: one linear layer that writes to the hidden state, such as `down_proj`, in
            some blocks; None: those of the largest rank, which hold a document's memory.
        beside: another adapter that is also on.
        settings: settings of the fit.
        limit: after the first round, none starts that would exceed it if it took as long as the last one.
        runs: the result of `lay_out`, if the examples last ran with equivalent adapters; the first round then need not
            run them.

    Returns:
        The adapter with new weights; everything else is as in `start`.

    Raises:
        AdapterError: if the pairs belong to other linear layers.
    """
    changed = list(keys or (key for key, shape in start.shapes.items() if shape.rank == start.rank))
    _check_modules(base, changed)
    adapter = start
    runs = runs or lay_out(base, examples, changed)
    for number in limit.steps(settings.rounds if examples else 0, least=1):
        if number or any(run.found is None for run in runs):
            _run_all(base, runs, adapter, beside)
        targets = [_measure(base, run.latest, adapter, changed, settings) for run in runs]
        adapter = _solve(adapter, targets, settings.damping)
    return adapter


def lay_out(base: BaseLM, examples: Sequence[TrainingExample], keys: Sequence[Key]) -> list[ExampleRun]:
    """Lay out examples in batches that run through the base several times.

    Args:
        base: the base.
        examples: questions with known answers.
        keys: the linear layers, of one module, whose updates differ between the runs.
    """
    batches = [examples[i : i + BATCH_SIZE] for i in range(0, len(examples), BATCH_SIZE)]
    return [ExampleRun(base, batch, keys) for batch in batches]


def are_right(base: BaseLM, runs: Sequence[ExampleRun]) -> bool:
    """Return whether the latest runs predict every token of every answer."""
    with torch.no_grad():
        return all(bool((_margin(base.logits(run.latest.hidden), run.latest.tokens) > 0).all()) for run in runs)


def target_inputs(base: BaseLM, runs: Sequence[ExampleRun], adapter: Adapter) -> dict[Key, Tensor]:
    """Read the inputs of linear layers at the tokens from which answers are predicted.

    Args:
        base: the base.
        runs: the examples.
        adapter: the adapter that is on.

    Returns:
        Inputs of each of the runs' linear layers `[targets, d_in]`, in float32.
    """
    _run_all(base, runs, adapter)
    parts = [run.latest.inputs for run in runs]
    return {key: torch.cat([part[key] for part in parts]) for key in parts[0]}


def _run_all(base: BaseLM, runs: Sequence[ExampleRun], adapter: Adapter, beside: Adapter | None = None) -> None:
    """Run all examples with adapters."""
    adapters = AdapterStack(tuple((each, 1.0) for each in (beside, adapter) if each is not None))
    lora = build_lora_batch([adapters], base)  # one row that applies to all rows
    for run in runs:
        run.again(lora)


def _check_modules(base: BaseLM, keys: Collection[Key]) -> None:
    modules = {module for _, module in keys}
    if len(modules) != 1 or any(module not in base.writing_modules(layer) for layer, module in keys):
        names = ", ".join(sorted(modules))
        raise AdapterError(
            f"answers cannot be fitted into an adapter of {names}; expected an adapter of one layer that writes to the "
            "hidden state, such as down_proj"
        )


@dataclass(frozen=True)
class _Found:
    """Results of a forward pass of examples at the target tokens.

    Attributes:
        inputs: inputs of linear layers `[targets, d_in]`, in float32.
        hidden: last hidden state, after the final norm `[targets, hidden]`.
        last: output of the last block `[rows, tokens, hidden]`, where the autograd graph begins.
        at: row and token of each target.
        tokens: the targets `[targets]`.
    """

    inputs: Mapping[Key, Tensor]
    hidden: Tensor
    last: Tensor
    at: tuple[Tensor, Tensor]
    tokens: Tensor


class ExampleRun:
    """A batch of examples that runs through the base with one adapter after the other.

    The examples are packed into one sequence if the base can keep them apart. From the second run on, the blocks below
    the first one whose update differs are skipped.
    """

    def __init__(self, base: BaseLM, examples: Sequence[TrainingExample], keys: Sequence[Key]) -> None:
        """Lay out examples; `keys` are the linear layers, of one module, whose updates differ between the runs."""
        self._base, self._keys = base, keys
        # The mask of a packed sequence would replace that of a sliding window.
        if base.is_recurrent or base.slides_over(max(len(example.ids) for example in examples)):
            ids, mask, self._at = pad_examples(examples, base.device)
            self._inputs: dict[str, Tensor] = {"input_ids": ids, "attention_mask": mask}
        else:
            self._inputs, self._at = _pack(base, examples)
        self._targets = torch.cat([example.top_ids[:, 0] for example in examples])
        self._upper: UpperBlocks | None = None
        self.found: _Found | None = None
        """The result of the latest run."""

    @property
    def latest(self) -> _Found:
        """The result of the latest run, of which there must be one."""
        assert self.found is not None, "nothing has run yet"
        return self.found

    def again(self, lora: LoraBatch | None) -> None:
        """Run the examples with an adapter. Only the updates of the linear layers `keys` may differ between runs."""
        hooks, layers = self._base.activation_hooks, [layer for layer, _ in self._keys]
        with hooks.recorded_inputs(layers, self._keys[0][1]) as inputs, hooks.detached_last_block() as last:
            with self._base.hooks.applied(lora):
                hidden = self._first(min(layers)) if self._upper is None else self._upper.run()
        found = {key: inputs[key[0]][self._at].float() for key in self._keys}
        self.found = _Found(found, hidden[self._at], last[-1], self._at, self._targets)

    def _first(self, first_layer: int) -> Tensor:
        with self._base.recorded_upper_blocks(first_layer) as recorded:
            hidden = self._base.decoder(**self._inputs, use_cache=False).last_hidden_state
        self._upper = next(iter(recorded), None)
        return hidden


def _pack(base: BaseLM, examples: Sequence[TrainingExample]) -> tuple[dict[str, Tensor], tuple[Tensor, Tensor]]:
    """Put examples into one sequence: inputs of the decoder, and row and token of each target."""
    starts = [len(example.ids) - example.num_targets + 1 for example in examples]
    prompts, answers = zip(*((e.ids[:i], e.ids[i:]) for e, i in zip(examples, starts, strict=True)), strict=True)
    packed = pack_prompts(prompts, answers)
    ids, positions, owners = torch.tensor([packed.ids, packed.positions, packed.owners]).to(base.device).unsqueeze(1)
    mask = base.attention_mask(allowed_attention(owners, torch.zeros_like(owners)))
    tokens = [start - 1 + i for start, answer in packed.answers for i in range(len(answer) + 1)]
    at = torch.tensor(tokens).to(base.device)
    return {"input_ids": ids, "position_ids": positions, "attention_mask": mask}, (torch.zeros_like(at), at)


def _measure(base: BaseLM, found: _Found, adapter: Adapter, keys: Sequence[Key], settings: FitSettings) -> _Targets:
    """The changes that the adapter needs, according to a run."""
    reads = {
        key: adapter.scaling(key) * (found.inputs[key] @ adapter.weights[key].A.to(base.device, torch.float32).T)
        for key in keys
    }
    margin = _margin(base.logits(found.hidden), found.tokens)
    (slope,) = torch.autograd.grad(margin.sum(), found.last)
    last = found.last[found.at].detach().float()
    return _Targets(reads, _smallest_change(slope[found.at].float(), margin.detach(), last, settings))


def _smallest_change(slope: Tensor, margin: Tensor, hidden: Tensor, settings: FitSettings) -> Tensor:
    """The smallest change of hidden states `[targets, hidden]` that gives targets their margin, within a trust region.

    Args:
        slope: gradient of each margin `[targets, hidden]`; a margin depends on the hidden state of its own token alone.
        margin: the margins `[targets]`.
        hidden: the hidden states `[targets, hidden]`.
        settings: the wanted margin and the trust region.
    """
    # If a logit cap is saturated, nothing changes the margin: the slope and the change are 0.
    steepness = slope.norm(dim=-1).clamp_min(torch.finfo(slope.dtype).tiny)
    wanted = (settings.margin - margin).clamp_min(0) / steepness  # [targets]
    size = wanted.minimum(settings.max_change * hidden.norm(dim=-1))
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
