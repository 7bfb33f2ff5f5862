"""Meta-training of the Perceiver hypernetwork as published: context distillation or cross-entropy through the base.

The loss of a context is the mean over its questions of the mean over each answer's tokens. The loss of a batch is the
mean over its contexts (or, with `average_over = "tokens"`, over all answer tokens), plus the mean absolute value of the
generated weights:

    loss = mean_c mean_q mean_t l(c, q, t)  +  w mean_m (mean |A_m| + mean |B_m|)

with `l` the cross-entropy, or the KL to the teacher's top predictions.

Source: Doc-to-LoRA (arXiv 2602.15902), section 3 and appendix; github.com/SakanaAI/doc-to-lora. Ours differs: the
teacher is run on the fly if its log-probabilities are not stored, and questions about the same context share the prefix
of their prompts.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from lorify.base.decoding.generation import generate_batch
from lorify.base.decoding.sampling import GenerationOptions
from lorify.base.model import BaseLM
from lorify.contexts.encoders.encoding import Chunk, EncodedContexts, ImageChunk, TextEncoder
from lorify.contexts.encoders.loading import load_encoder
from lorify.data.answers import token_f1
from lorify.errors import ConfigError, TrainingError
from lorify.hypernets.doc_to_lora.chunk_merging import as_lora_batch, merge_chunks
from lorify.hypernets.doc_to_lora.config import PerceiverConfig
from lorify.hypernets.doc_to_lora.generation import check_encoder
from lorify.hypernets.doc_to_lora.kind import DOC_TO_LORA
from lorify.hypernets.doc_to_lora.network import GeneratedLora, PerceiverHypernetwork
from lorify.hypernets.doc_to_lora.training_config import PerceiverTrainingConfig
from lorify.hypernets.internalizer import check_made_for
from lorify.training.doc_to_lora.batches import ContextRow, PerceiverBatches
from lorify.training.doc_to_lora.contexts import Contexts, add_self_generated, load_contexts
from lorify.training.doc_to_lora.hypernetwork_config import build_hypernetwork_config, patch_grid
from lorify.training.doc_to_lora.teacher_loss import kl_to_teacher
from lorify.training.engine.losses import answer_logits, cross_entropy_per_token, mean_per_segment
from lorify.training.engine.objective import BatchLoss
from lorify.training.engine.packing import pack_rows, split_by_length
from lorify.training.engine.prefetch import PrefetchedBatches
from lorify.training.preparation import Preparation

FIXED_FIELDS = (
    "num_layers", "first_layer", "modules", "rank", "latent_size", "num_latents", "num_blocks", "self_attentions",
    "shared_weights", "num_heads", "num_kv_heads", "head_size", "residual_mlps", "mlp_per_layer", "bias_adapter",
)  # fmt: skip
"""Fields of the initial hypernetwork that a run cannot change."""
NO_CONTEXTS: Contexts = {}
NUM_LENGTH_GROUPS = 3
"""Texts that cannot share one sequence are encoded in this many groups of similar length."""


def prepare_perceiver(config: PerceiverTrainingConfig, preparation: Preparation) -> PerceiverObjective:
    """Read the data, load the base and build the objective.

    Raises:
        LorifyError: if data or base cannot be read.
    """
    contexts = load_contexts(config.data)
    base = preparation.load_base(config.base)
    contexts = add_self_generated(contexts, config.data, base)
    return PerceiverObjective(config, base, train=contexts.train, heldout=contexts.heldout)


@dataclass(frozen=True)
class ContextScores:
    """Scores of a batch.

    Attributes:
        loss: of each context `[contexts]`, in the batch's order.
        token_loss: of each answer token `[answers]`.
        exact: share of each context's questions whose answer tokens are all right `[contexts]`.
        generated_size: mean absolute value of the generated weights, a scalar with a gradient.
        num_tokens: tokens that base and context encoder read.
    """

    loss: Tensor
    token_loss: Tensor
    exact: Tensor
    generated_size: Tensor
    num_tokens: int


class PerceiverObjective:
    """Questions about contexts, answered by the base with the adapters that the hypernetwork generates."""

    def __init__(
        self,
        config: PerceiverTrainingConfig,
        base: BaseLM,
        *,
        train: Contexts = NO_CONTEXTS,
        heldout: Contexts = NO_CONTEXTS,
    ) -> None:
        """Start with a new hypernetwork or the one at `config.init_from`.

        Args:
            config: the run.
            base: the frozen base, which is also the teacher.
            train: contexts with questions by kind, without generated kinds.
            heldout: the same for evaluation.

        Raises:
            ConfigError: if the data has images and the context encoder reads text only.
            HypernetworkError: if `init_from` has another kind or base, or the encoder does not fit.
            TrainingError: if `init_from` does not have the fields of the config.
        """
        self.config, self.base = config, base
        settings = config.hypernetwork
        self.encoder = load_encoder(
            base,
            settings.encoder_model,
            quantized=settings.quantized_encoder,
            patches=patch_grid(config),
            training=True,
        )
        if config.data.has_images and not self.encoder.reads_images:
            raise ConfigError(
                f"data has images, but context encoder {self.encoder.name} reads text only; set "
                "hypernetwork.encoder_model to a vision-language model, or hypernetwork.encoder to patches"
            )
        torch.manual_seed(config.seed)
        self.hypernetwork_config = build_hypernetwork_config(config, base, self.encoder)
        if config.init_from is None:
            hypernetwork = PerceiverHypernetwork(self.hypernetwork_config)
        else:
            self.hypernetwork_config, hypernetwork = load_initial(config.init_from, self.hypernetwork_config, base)
        check_encoder(self.encoder, self.hypernetwork_config, "of this run")
        self.hypernetwork = hypernetwork.to(base.device).train()
        made_for = config, base, self.encoder, self.hypernetwork_config
        self.train_batches = PerceiverBatches(*made_for, train)
        self._batches = PrefetchedBatches(self.train_batches.build, base.device)
        self.heldout_batches = PerceiverBatches(*made_for, heldout, heldout=True)

    @property
    def module(self) -> PerceiverHypernetwork:
        """The hypernetwork."""
        return self.hypernetwork

    def loss(self, batch: int) -> BatchLoss:
        """Compute the loss of training batch `batch`, with loss and exact match by kind."""
        optimization = self.config.optimization
        rows, seconds = self._batches.take(batch)
        scores = self.score_contexts(rows, noise_alpha=optimization.neftune_alpha)
        size = scores.generated_size
        metrics: dict[str, float] = {"generated_size": size.item(), "contexts": float(len(rows))}
        kinds = [row.kind for row in rows]
        for kind in sorted(set(kinds)):
            chosen = torch.tensor([k == kind for k in kinds], device=scores.loss.device)
            metrics[f"loss/{kind}"] = scores.loss.detach()[chosen].mean().item()
            metrics[f"exact/{kind}"] = scores.exact[chosen].mean().item()
        by_token = optimization.average_over == "tokens"
        loss = (scores.token_loss.mean() if by_token else scores.loss.mean()) + optimization.l1_weight * size
        weight = len(scores.token_loss) if by_token else len(rows)
        return BatchLoss(loss, metrics, scores.num_tokens, weight=weight, data_seconds=seconds)

    def evaluate(self) -> dict[str, float]:
        """Compute the loss and exact match by kind on held-out batches; the same batches every time."""
        totals: dict[str, list[float]] = {}
        for index in range(self.config.evaluation_batches):
            rows = self.heldout_batches.build(index)
            scores = self.score_contexts(rows)
            if self.config.evaluation_answer_tokens:
                for row, f1 in zip(rows, self.generated_f1(rows), strict=True):
                    totals.setdefault(f"f1/{row.kind}", []).append(f1)
            for row, loss, exact in zip(rows, scores.loss.tolist(), scores.exact.tolist(), strict=True):
                totals.setdefault(f"loss/{row.kind}", []).append(loss)
                totals.setdefault(f"exact/{row.kind}", []).append(exact)
        return {name: sum(values) / len(values) for name, values in sorted(totals.items())}

    def score(self, heldout: Mapping[str, float]) -> float:
        """Sum of the losses of all kinds, negated."""
        return -sum(value for name, value in heldout.items() if name.startswith("loss/"))

    def save_best(self, folder: Path) -> None:
        """Save the hypernetwork with its config to `folder`."""
        DOC_TO_LORA.save(folder, self.hypernetwork_config, self.hypernetwork)

    def score_contexts(self, rows: Sequence[ContextRow], *, noise_alpha: float = 0.0) -> ContextScores:
        """Answer the questions about some contexts with the adapters generated for them.

        All questions are one sequence for the base. If adapters begin above its first block, each context has its own
        row instead, so that repeated rows skip the blocks below (see `lorify.base.lower_block_cache`).

        Args:
            rows: the contexts.
            noise_alpha: strength of the noise on the questions' embeddings (NEFTune); as in the reference
                implementation, its bound is for one sequence with all questions.
        """
        first_layer = self.hypernetwork_config.first_layer
        merged = merge_chunks(self.generate(rows), [len(row.chunks) for row in rows], self.hypernetwork.bias())
        sizes = [weights.A.abs().mean() + weights.B.abs().mean() for weights in merged.values()]
        joined = first_layer == 0
        packed = pack_rows([row.segments for row in rows], joined=joined).to(self.base.device)
        owner = packed.row[0] if joined else None
        lora = as_lora_batch(merged, self.hypernetwork_config.scaling, first_layer=first_layer, owner=owner)
        with self._autocast():
            num_question_tokens = sum(row.num_question_tokens for row in rows)
            logits = answer_logits(self.base, packed, lora, noise_alpha=noise_alpha, noise_tokens=num_question_tokens)
        per_token = self._loss_per_token(logits, rows, packed.targets, packed.segment)
        wrong = (logits.detach().argmax(-1) != packed.targets).float()
        context_of = torch.tensor([i for i, row in enumerate(rows) for _ in row.segments], device=logits.device)

        def mean_per_context(values: Tensor) -> Tensor:
            return mean_per_segment(values, context_of, len(rows))

        loss = mean_per_context(mean_per_segment(per_token, packed.segment, len(context_of)))
        exact = mean_per_context((mean_per_segment(wrong, packed.segment, len(context_of)) == 0).float())
        num_tokens = packed.input_ids.numel() + sum(row.num_context_tokens for row in rows)
        return ContextScores(loss, per_token, exact, torch.stack(sizes).mean(), num_tokens)

    def generated_f1(self, rows: Sequence[ContextRow]) -> list[float]:
        """Answer the first question about each context by greedy decoding, and compute the answers' token F1."""
        merged = merge_chunks(self.generate(rows), [len(row.chunks) for row in rows], self.hypernetwork.bias())
        config = self.hypernetwork_config
        answers = generate_batch(
            self.base,
            [row.segments[0].prompt for row in rows],
            GenerationOptions(self.config.evaluation_answer_tokens),
            lora=as_lora_batch(merged, config.scaling, first_layer=config.first_layer),
            stop_ids=self.base.stop_ids,
        )
        texts = [self.base.decode_text(answer).strip() for answer in answers]
        expected = [self.base.decode_text(row.segments[0].answer).strip() for row in rows]
        return [token_f1(text, [answer]) for text, answer in zip(texts, expected, strict=True)]

    def generate(self, rows: Sequence[ContextRow]) -> dict[str, GeneratedLora]:
        """Generate the weights for all chunks of some contexts, in order, by module."""
        parts: list[dict[str, GeneratedLora]] = []
        order: list[int] = []
        for group, encoded in self._encode([chunk for row in rows for chunk in row.chunks]):
            states = encoded.states if self._computes_in_bf16 else encoded.states.float()
            with self._autocast():
                parts.append(self.hypernetwork(states, encoded.mask, encoded.token_indices))
            order += group
        position = torch.tensor(order, device=self.base.device).argsort()
        return {
            name: GeneratedLora(
                *(torch.cat([getattr(part[name], which) for part in parts])[position] for which in "AB")
            )
            for name in parts[0]
        }

    def _encode(self, chunks: Sequence[Chunk]) -> Iterator[tuple[Sequence[int], EncodedContexts]]:
        """Indices of chunks with their features: a language model reads all in one sequence, others read groups."""
        kind, num_layers = self.hypernetwork_config.encoder.kind, self.hypernetwork_config.encoder.num_layers
        if isinstance(self.encoder, TextEncoder):
            yield range(len(chunks)), self.encoder.encode_packed(chunks, kind=kind, num_layers=num_layers)
            return
        for group in _groups(chunks):
            yield group, self.encoder.encode([chunks[i] for i in group], kind=kind, num_layers=num_layers)

    def _loss_per_token(self, logits: Tensor, rows: Sequence[ContextRow], targets: Tensor, segment: Tensor) -> Tensor:
        optimization, data = self.config.optimization, self.config.data
        if optimization.loss == "cross_entropy":
            return cross_entropy_per_token(logits, targets)
        return kl_to_teacher(
            self.base,
            logits,
            rows,
            segment,
            top_k=optimization.teacher_top_k,
            autocast=self._autocast,
            always_runs=self.base.is_sharded and bool(data.niah + data.facts + data.questions),
        )

    def _autocast(self) -> torch.autocast:
        return torch.autocast(self.base.device.type, dtype=torch.bfloat16, enabled=self._computes_in_bf16)

    @property
    def _computes_in_bf16(self) -> bool:
        return self.config.optimization.computes_in_bf16(self.base.device)


def load_initial(folder: Path, wanted: PerceiverConfig, base: BaseLM) -> tuple[PerceiverConfig, PerceiverHypernetwork]:
    """Load the hypernetwork that a run starts from; a run may change its chunk length and its system turn.

    Args:
        folder: folder of the hypernetwork.
        wanted: config that the run asks for.
        base: the base of the run.

    Raises:
        HypernetworkError: if it has another kind or base, or is missing or damaged.
        TrainingError: if one of `FIXED_FIELDS` differs from `wanted`.
    """
    loaded, hypernetwork = DOC_TO_LORA.load(folder)
    check_made_for(base, base_name=loaded.base_name, base_digest=loaded.base_digest, name=str(folder))
    for field in FIXED_FIELDS:
        old, new = getattr(loaded, field), getattr(wanted, field)
        if old != new:
            raise TrainingError(
                f"init_from {folder} has {field} {_as_text(old)}, the config wants {_as_text(new)}; set hypernetwork "
                "as in its config.json"
            )
    changed = {field: getattr(wanted, field) for field in ("chunk_tokens", "system_turn")}
    return loaded.model_copy(update=changed), hypernetwork


def _as_text(value: object) -> str:
    """A field's value for a message; linear layers by their names."""
    return ", ".join(part.name for part in value) if isinstance(value, tuple) else repr(value)


def _groups(chunks: Sequence[Chunk]) -> list[list[int]]:
    """Indices of chunks in groups of texts of similar length, or of images."""
    images = [i for i, chunk in enumerate(chunks) if isinstance(chunk, ImageChunk)]
    texts = [i for i, chunk in enumerate(chunks) if not isinstance(chunk, ImageChunk)]
    groups = split_by_length([len(chunks[i]) for i in texts], NUM_LENGTH_GROUPS) if texts else []
    return [[texts[i] for i in group] for group in groups] + ([images] if images else [])
