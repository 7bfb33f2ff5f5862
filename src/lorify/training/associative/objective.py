"""Meta-training of the associative hypernetwork: documents in, answers to questions about them out."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from pathlib import Path

import torch
from torch import Tensor

from lorify.base.lora import LoraBatch
from lorify.base.model import BaseLM
from lorify.contexts.features import Features, encode_chunks
from lorify.errors import TrainingError
from lorify.hypernets.associative.focus import FOCUS_TOKENS, Asked, ending_words, focus_factors, rest_weight
from lorify.hypernets.associative.internalizer import check_base
from lorify.hypernets.associative.kind import ASSOCIATIVE, save_associative
from lorify.hypernets.associative.network import (
    AssociativeConfig,
    AssociativeHypernetwork,
    ReadingModule,
    Statistics,
    TokenMemory,
    lora_batch,
)
from lorify.hypernets.associative.relevance import Relevance, load_relevance
from lorify.hypernets.associative.training_config import AssociativeTrainingConfig
from lorify.training.associative.batches import GeneralAnswer, Step, StepBuilder
from lorify.training.engine.loop import BatchLoss
from lorify.training.engine.losses import (
    answer_logits,
    answer_loss_per_segment,
    cross_entropy_per_token,
    mean_per_segment,
    retrieval_loss,
    top_k_kl_per_token,
)
from lorify.training.engine.packing import PackedRows, Segment, pack_rows
from lorify.training.prepare import (
    Preparation,
    prepare_general_answers,
    prepare_passages,
    prepare_relevance,
    prepare_texts,
)

CHUNK_GROUPS = 3
ROW_GROUPS = 2
HELDOUT_EVERY = 10
"""One in this many unrelated prompts is held out."""


def prepare_associative(config: AssociativeTrainingConfig, preparation: Preparation) -> AssociativeObjective:
    """Read the data, have the base answer unrelated prompts, and put the objective together.

    Raises:
        LorifyError: if data or base cannot be read.
    """
    passages, heldout_passages = prepare_passages(config.data)
    texts, heldout_texts = prepare_texts(config)
    base = preparation.load_base(config.base)
    shape, _ = first_hypernetwork(config, base)  # what is wrong with it should not come to light after the prompts
    if config.data.focus_probability and not shape.reader_width:
        raise TrainingError(
            "data.focus_probability needs a hypernetwork with a reader in init_from; train one with kind reader, or "
            "set it to 0"
        )
    # A reader goes on with the word weights that it was trained with.
    kept = load_relevance(config.init_from) if config.init_from is not None else None
    general: list[GeneralAnswer] = []
    if config.data.general_probability:
        with preparation.counting("answering unrelated prompts", "prompts") as advance:
            general = prepare_general_answers(base, preparation.run_dir, config.data.general_answer_tokens, advance)
    return AssociativeObjective(
        config,
        base,
        train_steps=StepBuilder(
            config,
            base,
            passages=passages,
            texts=texts,
            general=[a for i, a in enumerate(general) if i % HELDOUT_EVERY],
        ),
        heldout_steps=StepBuilder(
            config, base, passages=heldout_passages, texts=heldout_texts, general=general[::HELDOUT_EVERY], heldout=True
        ),
        relevance=kept or prepare_relevance(config, passages),
    )


def hypernetwork_config(config: AssociativeTrainingConfig, base: BaseLM) -> AssociativeConfig:
    """The hypernetwork that a run trains, for the base it is given."""
    shape = config.hypernetwork
    last = min(shape.last_layer, base.num_layers - 1)
    linear = base.linear(last, shape.module)
    if linear.out_features != base.hidden_size:
        raise TrainingError(
            f"hypernetwork.module {shape.module!r} does not write into the hidden states; choose down_proj or o_proj"
        )
    layers = range(min(shape.first_layer, last), last + 1)
    reading_last = min(shape.reading_last_layer, last)
    reading_layers = range(min(shape.reading_first_layer, reading_last), reading_last + 1)
    return AssociativeConfig(
        base_name=base.name,
        base_digest=base.digest,
        hidden_size=base.hidden_size,
        input_size=linear.in_features,
        layers=tuple(layers),
        module=shape.module,
        rank=shape.rank,
        width=shape.width,
        bias_rank=shape.bias_rank,
        reading_layers=tuple(reading_layers) if shape.reading_modules else (),
        reading_modules=tuple(_reading_module(base, reading_last, name) for name in shape.reading_modules),
        reading_rank=shape.reading_rank,
        chunk_tokens=shape.chunk_tokens,
    )  # pyright: ignore[reportCallIssue]


def first_hypernetwork(
    config: AssociativeTrainingConfig, base: BaseLM
) -> tuple[AssociativeConfig, AssociativeHypernetwork]:
    """What a run starts from: random weights, or those of `init_from`.

    Raises:
        BaseModelError: if the base has no such linear layers.
        HypernetworkError: if `init_from` is damaged, or was made for another base.
        TrainingError: if the adapted module does not write into the hidden states.
    """
    if config.init_from is None:
        shape = hypernetwork_config(config, base)
        return shape, AssociativeHypernetwork(shape)
    old_shape, old = ASSOCIATIVE.load(config.init_from)
    check_base(old_shape, base, str(config.init_from))
    shape = hypernetwork_config(config, base).model_copy(update={"reader_width": old_shape.reader_width})
    hypernetwork = AssociativeHypernetwork(shape)
    if hypernetwork.reader is not None:
        hypernetwork.reader.requires_grad_(False)  # it is trained by itself
    copy_matching_weights(hypernetwork, shape, old, old_shape, name=str(config.init_from))
    return shape, hypernetwork


@torch.no_grad()
def copy_matching_weights(
    hypernetwork: AssociativeHypernetwork,
    shape: AssociativeConfig,
    old: AssociativeHypernetwork,
    old_shape: AssociativeConfig,
    *,
    name: str,
) -> None:
    """Copy what a trained hypernetwork has in common with a new one; parts that only the new one has stay as they are.

    Args:
        hypernetwork: the new one.
        shape: its shape; it may adapt fewer blocks than the old one, and have a reading part that the old one lacks.
        old: the trained one.
        old_shape: its shape.
        name: what to call it.

    Raises:
        TrainingError: if the new one adapts a block that the old one does not, or a part has another size.
    """
    missing = [layer for layer in shape.layers if layer not in old_shape.layers]
    if missing:
        raise TrainingError(
            f"init_from {name} does not adapt block {missing[0]}; set hypernetwork.first_layer and last_layer within "
            f"{old_shape.layers[0]} to {old_shape.layers[-1]}"
        )
    kept = [old_shape.layers.index(layer) for layer in shape.layers]
    weights = old.state_dict()
    for key, target in hypernetwork.state_dict().items():
        if key not in weights:
            continue
        source = weights[key]
        # All but these have a part for each adapted block.
        is_by_layer = not key.startswith(("surroundings.", "reader.", "reading_", "next_")) and len(source) == len(
            old_shape.layers
        )
        source = source[kept] if is_by_layer else source
        if source.shape != target.shape:
            raise TrainingError(
                f"init_from {name} has {key} {tuple(source.shape)}, the config wants {tuple(target.shape)}; set "
                "hypernetwork as in its config.json"
            )
        target.copy_(source)


def _reading_module(base: BaseLM, layer: int, name: str) -> ReadingModule:
    linear = base.linear(layer, name)
    return ReadingModule(name=name, input_size=linear.in_features, output_size=linear.out_features)


@torch.no_grad()
def calibrate(
    hypernetwork: AssociativeHypernetwork, config: AssociativeConfig, base: BaseLM, chunks: list[list[int]]
) -> None:
    """Measure the base's activations on chunks of typical text and fit the hypernetwork's fixed statistics to them."""
    inputs: list[Tensor] = []
    outputs: list[Tensor] = []

    def record(_module: torch.nn.Module, args: tuple[Tensor, ...], output: Tensor) -> None:
        # The first tokens are attention sinks with activations hundreds of times larger than any other.
        inputs.append(args[0][:, 4:].float().pow(2).mean().sqrt())
        outputs.append(output[:, 4:].float().pow(2).mean().sqrt())

    handles = [base.linear(layer, config.module).register_forward_hook(record) for layer in config.layers]
    text = [token for chunk in chunks for token in chunk][: base.window_tokens]
    base.decoder(torch.tensor([text], device=base.device), use_cache=False)
    for handle in handles:
        handle.remove()
    features = encode_chunks(base, chunks, layers=config.layers, module=config.module)
    hypernetwork.calibrate(features, torch.stack(inputs), torch.stack(outputs))


@dataclass(frozen=True)
class _Scores:
    """Loss and exact match `[segments]`, retrieval loss `[placed answer tokens]`."""

    loss: Tensor
    exact: Tensor
    retrieval: Tensor


@dataclass(frozen=True)
class _Memory:
    """What the chunks of a step put into the memory.

    Attributes:
        per_context: statistics of each context.
        keys: of all tokens `[L, tokens, r]`.
        values: `[L, tokens, d]`.
        weights: `[L, tokens]`.
        place_of_chunk: the key at that place plus i is that of the token before a chunk's token i.
        tokens: which tokens are of each context.
        words: the words that end in them, see `ending_words`.
        documents: what the reader keeps of them `[tokens, w]`; None without a reader.
    """

    per_context: Statistics
    keys: Tensor
    values: Tensor
    weights: Tensor
    place_of_chunk: Mapping[int, int]
    tokens: Sequence[Tensor]
    words: Sequence[Tensor]
    documents: Tensor | None

    def loudest(self, focus: Tensor) -> tuple[TokenMemory, Tensor]:
        """The tokens that count most for each question, and how much.

        Args:
            focus: how much each token of the step counts for each question `[questions, tokens]`.

        Returns:
            `[L, questions, t, ...]` and `[questions, t]`, with at most `FOCUS_TOKENS` tokens.
        """
        factors, index = focus.topk(min(FOCUS_TOKENS, focus.shape[1]), dim=1)
        return TokenMemory(self.keys[:, index], self.values[:, index], self.weights[:, index]), factors


@dataclass(frozen=True)
class _AskedRow:
    """Questions that share an adapter.

    Attributes:
        segments: the questions.
        places: theirs among all segments of the step.
        context: the row of the step whose contexts they are about.
        focus: how much each token of the step counts for them `[tokens]`; None if all count alike.
    """

    segments: Sequence[Segment]
    places: Sequence[int]
    context: int
    focus: Tensor | None


class AssociativeObjective:
    """Questions about documents, answered by the base with the adapter that the hypernetwork writes."""

    def __init__(
        self,
        config: AssociativeTrainingConfig,
        base: BaseLM,
        *,
        train_steps: StepBuilder,
        heldout_steps: StepBuilder,
        relevance: Relevance | None = None,
    ) -> None:
        """A new hypernetwork, or that of `config.init_from`; `relevance` is kept beside the best hypernetwork.

        Raises:
            LorifyError: as `first_hypernetwork`.
        """
        self.config, self.base = config, base
        self.train_steps, self.heldout_steps, self.relevance = train_steps, heldout_steps, relevance
        torch.manual_seed(config.seed)
        self.shape, hypernetwork = first_hypernetwork(config, base)
        if config.init_from is None:
            calibrate(hypernetwork, self.shape, base, train_steps.build(0).chunks)
        self.hypernetwork = hypernetwork.to(base.device)

    @property
    def module(self) -> AssociativeHypernetwork:
        """The hypernetwork."""
        return self.hypernetwork

    def loss(self, batch: int) -> BatchLoss:
        """Loss of training batch `batch`, with loss and exact match by kind."""
        optimization = self.config.optimization
        step = self.train_steps.build(batch)
        scores, num_tokens = self._forward(step)
        loss, exact = scores.loss, scores.exact.cpu()
        is_general = torch.tensor([kind == "general" for kind in step.kinds], device=loss.device)
        total = (loss * torch.where(is_general, optimization.preservation_kl_weight, 1.0)).mean()
        metrics: dict[str, float] = {}
        if len(scores.retrieval):
            total = total + optimization.retrieval_weight * scores.retrieval.mean()
            metrics["loss/retrieval"] = scores.retrieval.mean().item()
        for kind in sorted(set(step.kinds)):
            chosen = torch.tensor([k == kind for k in step.kinds])
            metrics[f"loss/{kind}"] = loss.detach().cpu()[chosen].mean().item()
            metrics[f"exact/{kind}"] = exact[chosen].mean().item()
        return BatchLoss(total, metrics, num_tokens)

    def evaluate(self) -> dict[str, float]:
        """Loss and exact match (all answer tokens right) by kind on held-out batches; the same batches every time."""
        totals: dict[str, list[float]] = {}
        for index in range(self.config.evaluation_batches):
            step = self.heldout_steps.build(index)
            scores, _ = self._forward(step)
            totals.setdefault("loss/retrieval", []).extend(scores.retrieval.tolist())
            for kind, value, right in zip(step.kinds, scores.loss.tolist(), scores.exact.tolist(), strict=True):
                totals.setdefault(f"loss/{kind}", []).append(value)
                totals.setdefault(f"exact/{kind}", []).append(right)
        return {name: sum(values) / len(values) for name, values in sorted(totals.items()) if values}

    def score(self, heldout: Mapping[str, float]) -> float:
        """Exact match, summed over the kinds."""
        return sum(value for name, value in heldout.items() if name.startswith("exact/"))

    def save_best(self, folder: Path) -> None:
        """Write the hypernetwork with its word test."""
        save_associative(folder, self.shape, self.hypernetwork, relevance=self.relevance)

    def _forward(self, step: Step) -> tuple[_Scores, int]:
        """Scores and number of tokens of a batch."""
        memory = self._read(step)
        asked = self._asked(step, memory)
        A, B = self.hypernetwork.shared_A(), self._written(step, asked, memory)
        parts: list[_Scores] = []
        order: list[int] = []
        tokens = sum(map(len, step.chunks))
        for group in groups_of_like_length([sum(len(s.prompt) for s in row.segments) for row in asked], ROW_GROUPS):
            rows = [asked[i] for i in group]
            lora = lora_batch(self.shape, self.hypernetwork, A, B[:, group])
            scores, num_tokens = self._score_rows(rows, lora, memory)
            parts.append(scores)
            order += [place for row in rows for place in row.places]
            tokens += num_tokens
        place = torch.tensor(order, device=self.base.device).argsort()
        together = _Scores(*(torch.cat([getattr(p, name) for p in parts]) for name in _Scores.__dataclass_fields__))
        return replace(together, loss=together.loss[place], exact=together.exact[place]), tokens

    def _asked(self, step: Step, memory: _Memory) -> list[_AskedRow]:
        """The rows of a step, those that are focused taken apart into their questions; these come last."""
        first = list(accumulate((len(row) for row in step.rows), initial=0))
        alone = [
            (i, j) for i, row in enumerate(step.rows) if step.is_focused[i] for j, s in enumerate(row) if s.question
        ]
        asked: list[_AskedRow] = []
        for i, row in enumerate(step.rows):
            if rest := [j for j in range(len(row)) if (i, j) not in alone]:
                asked.append(_AskedRow([row[j] for j in rest], [first[i] + j for j in rest], i, None))
        if alone:
            focus = self._focus(
                [step.rows[i][j].question for i, j in alone], step.mixing[[i for i, _ in alone]], memory
            )
            for (i, j), own in zip(alone, focus, strict=True):
                asked.append(_AskedRow([step.rows[i][j]], [first[i] + j], i, own))
        return asked

    @torch.no_grad()
    def _focus(self, questions: Sequence[str], mixing: Tensor, memory: _Memory) -> Tensor:
        """How much each token of a step counts for each question; 0 outside of its contexts.

        Args:
            questions: the questions.
            mixing: which contexts each is about, where above 0 `[questions, contexts]`.
            memory: of the step.

        Returns:
            `[questions, tokens]`.
        """
        reader = self.hypernetwork.reader
        assert self.relevance is not None and memory.documents is not None and reader is not None
        middle = self.shape.layers[self.shape.middle]
        ids = [self.base.encode_text(question) for question in questions]
        features = encode_chunks(self.base, ids, layers=(middle,))
        with self._autocast():
            read = self.hypernetwork.read_questions(features.states[0], features.outputs, features.is_token)
        contexts = [row.nonzero().flatten().tolist() for row in mixing]
        asked = [
            Asked(
                read[row, features.is_token[row]].float(),
                self.relevance.rarities(question),
                [(memory.documents[memory.tokens[c]], memory.words[c]) for c in contexts[row]],
            )
            for row, question in enumerate(questions)
        ]
        with self._autocast():
            found = focus_factors(reader, asked)
        focus = torch.zeros(len(questions), memory.keys.shape[1])
        for row, factors in enumerate(found):
            for context, factor in zip(contexts[row], factors, strict=True):
                focus[row, memory.tokens[context]] = factor.cpu()
        return focus.to(self.base.device)

    def _written(self, step: Step, asked: Sequence[_AskedRow], memory: _Memory) -> Tensor:
        """`B [L, asked rows, r, d]`; see `AssociativeHypernetwork.write`."""
        whole = _mix(memory.per_context, step.mixing.to(self.base.device))
        alike = [row.context for row in asked if row.focus is None]
        parts = [self.hypernetwork.write(Statistics(whole.S[:, alike], whole.M[:, alike]))] if alike else []
        focused = [(row.context, row.focus) for row in asked if row.focus is not None]
        if focused:
            focus = torch.stack([focus for _, focus in focused])
            loudest, factors = memory.loudest(focus)
            S = whole.S[:, [context for context, _ in focused]]
            least = rest_weight((focus > 0).sum(-1))
            inverse = self.hypernetwork.rest_inverse(S, least)
            parts.append(self.hypernetwork.write_focused(inverse, loudest, factors, least))
        return torch.cat(parts, dim=1)

    def _score_rows(self, rows: Sequence[_AskedRow], lora: LoraBatch, memory: _Memory) -> tuple[_Scores, int]:
        """Scores of some rows, and their number of tokens."""
        packed = pack_rows([row.segments for row in rows]).to(self.base.device)
        with self._autocast(), self.base.taps.recorded_inputs(self.shape.layers, self.shape.module) as inputs:
            logits = answer_logits(self.base, packed, lora)
        per_token = cross_entropy_per_token(logits, packed.targets)
        segments = [segment for row in rows for segment in row.segments]
        is_taught = torch.tensor([s.teacher_prompt is not None for s in segments], device=logits.device)
        optimization = self.config.optimization
        loss = answer_loss_per_segment(per_token, packed.segment, len(segments), optimization.first_token_share)
        taught = is_taught[packed.segment]
        if taught.any():
            teacher_logits, student_logits = self._teacher_logits(segments), logits[taught]
            kl = top_k_kl_per_token(student_logits, teacher_logits, optimization.teacher_top_k)
            loss = torch.where(is_taught, mean_per_segment(kl, packed.segment[taught], len(segments)), loss)
        wrong = (logits.argmax(-1) != packed.targets).float()
        exact = (mean_per_segment(wrong, packed.segment, len(segments)) == 0).float()
        queries = self._queries(packed, inputs)
        focus = [row.focus for row in rows for _ in row.segments]
        retrieval = self._retrieval(segments, focus, queries, memory)
        return _Scores(loss, exact, retrieval), packed.input_ids.numel()

    def _queries(self, packed: PackedRows, inputs: Mapping[int, Tensor]) -> Tensor:
        """What the memory is asked where each answer token is to be said `[L, answers, r]`."""
        row, column = packed.predict.unbind(1)
        picked = torch.stack([inputs[layer][row, column] for layer in self.shape.layers])  # [L, answers, f]
        return self.hypernetwork.queries(picked.float())

    def _retrieval(
        self, segments: Sequence[Segment], focus: Sequence[Tensor | None], queries: Tensor, memory: _Memory
    ) -> Tensor:
        """Retrieval loss of each answer token that stands in the context `[placed tokens]`."""
        first = list(accumulate((len(s.answer) for s in segments), initial=0))
        placed = [(n, first[n] + i, where) for n, s in enumerate(segments) for i, where in enumerate(s.places)]
        if not placed or not self.config.optimization.retrieval_weight:
            return memory.keys.new_zeros(0)
        everywhere = memory.keys.new_ones(memory.keys.shape[1])
        is_place = torch.zeros(len(placed), memory.keys.shape[1], dtype=torch.bool)
        for row, (_, _, where) in enumerate(placed):
            is_place[row, [memory.place_of_chunk[chunk] + index for chunk, index in where]] = True
        counts = torch.stack([everywhere if (f := focus[n]) is None else f for n, _, _ in placed])
        return retrieval_loss(
            queries[:, [answer for _, answer, _ in placed]], memory.keys, is_place.to(counts.device), counts.log()
        )

    def _read(self, step: Step) -> _Memory:
        """What the chunks of a step put into the memory."""
        total: Statistics | None = None
        parts: list[TokenMemory] = []
        words: dict[int, Tensor] = {}
        documents: list[Tensor] = []
        token_ids: dict[int, Tensor] = {}
        place_of_chunk: dict[int, int] = {}
        num_tokens = 0
        # Without a beginning-of-text token the first token of a chunk follows none.
        num_before = 0 if self.base.tokenizer.bos_token_id is not None else 1
        for group in groups_of_like_length([len(chunk) for chunk in step.chunks], CHUNK_GROUPS):
            chunks = [step.chunks[i] for i in group]
            features = encode_chunks(self.base, chunks, layers=self.shape.layers, module=self.shape.module)
            with self._autocast():
                memory = self.hypernetwork(features)
                read = self._read_documents(features)
            for row, chunk in enumerate(group):
                known = features.mask[row]
                place_of_chunk[chunk] = num_tokens - num_before
                parts.append(
                    TokenMemory(memory.keys[:, row, known], memory.values[:, row, known], memory.weights[:, row, known])
                )
                documents += [] if read is None else [read[row, known].float()]
                own = int(known.sum())
                token_ids[chunk] = torch.arange(num_tokens, num_tokens + own)
                words[chunk] = ending_words(features.ids[row, known].tolist(), self.base.tokenizer)
                num_tokens += own
            part = memory.statistics().sum(step.context_of_chunk[group].to(self.base.device), step.mixing.shape[1])
            total = part if total is None else total + part
        assert total is not None
        chunks_of = [[i for i, c in enumerate(step.context_of_chunk) if c == n] for n in range(step.mixing.shape[1])]
        return _Memory(
            per_context=total,
            keys=torch.cat([part.keys for part in parts], dim=1),
            values=torch.cat([part.values for part in parts], dim=1),
            weights=torch.cat([part.weights for part in parts], dim=1),
            place_of_chunk=place_of_chunk,
            tokens=[_concatenated([token_ids[i] for i in chunks]) for chunks in chunks_of],
            words=[_concatenated([words[i] for i in chunks]) for chunks in chunks_of],
            documents=torch.cat(documents) if documents else None,
        )

    @torch.no_grad()
    def _read_documents(self, features: Features) -> Tensor | None:
        """What the reader keeps of the tokens of some chunks `[N, T, w]`; None without a reader."""
        if self.hypernetwork.reader is None:
            return None
        return self.hypernetwork.read_documents(features.states[self.shape.middle], features.outputs, features.is_token)

    def _autocast(self) -> torch.autocast:
        return torch.autocast(self.base.device.type, dtype=torch.bfloat16, enabled=self.config.optimization.bf16)

    @torch.no_grad()
    def _teacher_logits(self, segments: Sequence[Segment]) -> Tensor:
        taught = [[s] for s in segments if s.teacher_prompt is not None]
        return answer_logits(self.base, pack_rows(taught, teacher=True).to(self.base.device), None)


def groups_of_like_length(lengths: Sequence[int], num_groups: int) -> list[list[int]]:
    """Indices in at most `num_groups` groups, so that little of a padded batch is padding."""
    order = sorted(range(len(lengths)), key=lambda i: lengths[i])
    if len(set(lengths)) == 1:
        return [order]
    size = math.ceil(len(order) / num_groups)
    return [order[start : start + size] for start in range(0, len(order), size)]


def _concatenated(parts: Sequence[Tensor]) -> Tensor:
    """Whole numbers of several chunks in one line; a context of noise alone may have no chunk."""
    return torch.cat([torch.zeros(0, dtype=torch.int64), *parts])


def _mix(statistics: Statistics, mixing: Tensor) -> Statistics:
    """Statistics of each row from those of the contexts; `mixing [rows, contexts]` says how many times each counts.

    The copies beyond the first of a context carry no gradient: a thousand copies of noise would otherwise make gradient
    spikes of their own number, and the direction that silences noise is the same with one.
    """
    once = mixing.clamp(max=1)

    def mixed(x: Tensor) -> Tensor:
        flat = x.flatten(2)  # [L, contexts, ...]
        result = torch.einsum("rc,lcx->lrx", once, flat)
        result = result + torch.einsum("rc,lcx->lrx", mixing - once, flat.detach())
        return result.view(x.shape[0], mixing.shape[0], *x.shape[2:])

    return Statistics(mixed(statistics.S), mixed(statistics.M))
