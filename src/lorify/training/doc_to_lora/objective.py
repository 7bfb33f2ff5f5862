"""Meta-training of the Perceiver hypernetwork as published: context distillation or cross-entropy through the base.

The loss of a context is the mean over its questions of the mean over each answer's tokens; that of a batch the mean
over its contexts, plus the mean size of what was generated:

    loss = mean_c mean_q mean_t l(c, q, t)  +  w mean_m (mean |A_m| + mean |B_m|)

with `l` the cross-entropy, or the KL to the teacher's top predictions.

Source: Doc-to-LoRA (arXiv 2602.15902), section 3 and appendix; github.com/SakanaAI/doc-to-lora. Ours differs: the
teacher is run on the fly where its log-probabilities are not stored, and the questions about a context share the tokens
that their prompts begin with.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from lorify.base.model import BaseLM
from lorify.contexts.encoder_loading import load_encoder
from lorify.contexts.encoders import Chunk, ContextEncoder, EncodedContexts, ImageChunk, TextEncoder, context_affixes
from lorify.contexts.patches import PatchGrid
from lorify.data.examples import Example
from lorify.data.self_generated.store import SelfGeneratedQuestion, StoredContexts, load_self_generated
from lorify.data.sources.images import digit_examples, load_image_examples, split_by_image
from lorify.data.sources.questions import load_question_examples, split_by_passage
from lorify.errors import ConfigError, TrainingError
from lorify.hypernets.adapted_modules import adapted_modules
from lorify.hypernets.doc_to_lora.chunk_merging import as_lora_batch, merge_chunks
from lorify.hypernets.doc_to_lora.internalizer import check_encoder
from lorify.hypernets.doc_to_lora.kind import DOC_TO_LORA
from lorify.hypernets.doc_to_lora.network import ContextEncoderConfig, Generated, PerceiverConfig, PerceiverHypernetwork
from lorify.hypernets.doc_to_lora.training_config import PerceiverTrainingConfig
from lorify.hypernets.internalizer import check_made_for
from lorify.training.associative.objective import groups_of_like_length
from lorify.training.doc_to_lora.batches import ContextRow, PerceiverBatches
from lorify.training.engine.loop import BatchLoss
from lorify.training.engine.losses import answer_logits, cross_entropy_per_token, mean_per_segment, top_k_kl_per_token
from lorify.training.engine.packing import pack_rows
from lorify.training.prepare import Preparation

CONTINUED_FIELDS = (
    "num_layers", "first_layer", "modules", "rank", "latent_size", "num_latents", "num_blocks", "self_attentions",
    "shared_weights", "num_heads", "num_kv_heads", "head_size", "residual_mlps", "mlp_per_layer", "bias_adapter",
)  # fmt: skip
"""What a run cannot change of the hypernetwork that it starts from."""
EMPTY: Mapping[str, Sequence[Example]] = {}
CHUNK_GROUPS = 3


def prepare_perceiver(config: PerceiverTrainingConfig, preparation: Preparation) -> PerceiverObjective:
    """Read the data and put the objective together.

    Raises:
        LorifyError: if data or base cannot be read.
    """
    data = config.data
    passages, heldout = [], []
    if data.questions_path is not None and data.questions:
        passages, heldout = split_by_passage(
            load_question_examples(
                data.questions_path, max_context_chars=data.max_context_chars, max_answer_chars=data.max_answer_chars
            )
        )
    images, heldout_images = [], []
    if data.images_path is not None and data.images:
        images, heldout_images = split_by_image(load_image_examples(data.images_path, question=data.images_question))
    digits = (digit_examples(), digit_examples(heldout=True)) if data.digits else ([], [])
    base = preparation.load_base(config.base)
    taught, heldout_taught = StoredContexts(), StoredContexts()
    if data.self_generated_path is not None and data.self_generated:
        taught, heldout_taught = load_self_generated(data.self_generated_path, base.digest).split()
    train = {"questions": passages, "self_generated": taught, "images": images, "digits": digits[0]}
    held_out = {
        "questions": heldout, "self_generated": heldout_taught, "images": heldout_images, "digits": digits[1]
    }  # fmt: skip
    for kind, examples in held_out.items():
        if getattr(data, kind) and not (examples and train[kind]):
            path = getattr(data, f"{kind}_path")
            raise TrainingError(f"{path} has too few contexts to hold some out; give a few dozen at least")
    return PerceiverObjective(config, base, train=train, heldout=held_out)


def hypernetwork_config(config: PerceiverTrainingConfig, base: BaseLM, encoder: ContextEncoder) -> PerceiverConfig:
    """The hypernetwork that a run trains, for the base and the encoder it is given.

    Raises:
        ConfigError: if the base has not the blocks that are to be adapted.
    """
    shape = config.hypernetwork
    tokenizer = encoder.tokenizer
    prefix, suffix = ((), ()) if tokenizer is None else context_affixes(tokenizer, system_turn=shape.system_turn)
    layers = adapted_layers(config, base.num_layers)
    return PerceiverConfig(
        base_name=base.name,
        base_digest=base.digest,
        encoder=ContextEncoderConfig(
            kind=shape.encoder,
            model_name=shape.encoder_model,
            num_layers=encoder_layers(config, encoder.num_layers, len(layers)),
            feature_size=encoder.feature_size,
            patches=chosen_patches(config),
            quantized=shape.quantized_encoder,
            prefix_ids=prefix,
            suffix_ids=suffix,
        ),
        num_layers=len(layers),
        modules=adapted_modules(base, layers, sorted(shape.modules)),
        **shared_fields(config),
    )


def adapted_layers(config: PerceiverTrainingConfig, of_base: int) -> range:
    """The blocks of the base that are adapted.

    Raises:
        ConfigError: if it has not so many, or there are none.
    """
    shape = config.hypernetwork
    last = of_base - 1 if shape.last_layer is None else shape.last_layer
    if not shape.first_layer <= last < of_base:
        raise ConfigError(
            f"hypernetwork: blocks {shape.first_layer} to {last} cannot be adapted; base {config.base} has 0 to "
            f"{of_base - 1}"
        )
    return range(shape.first_layer, last + 1)


def chosen_patches(config: PerceiverTrainingConfig) -> PatchGrid | None:
    """How images are cut, if patches are the features."""
    return config.hypernetwork.patches if config.hypernetwork.encoder == "patches" else None


def encoder_layers(config: PerceiverTrainingConfig, of_encoder: int, of_base: int) -> int:
    """How many of the encoder's blocks are run or read: what the config says, or else as published."""
    shape = config.hypernetwork
    if shape.encoder_layers is not None:
        return shape.encoder_layers
    return {"per_layer_activations": of_base, "early_exit": of_encoder // 4, "embeddings": 0, "patches": 0}[
        shape.encoder
    ]


def shared_fields(config: PerceiverTrainingConfig) -> dict:
    """What a run's shape and a hypernetwork's config have in common; the scaling is the published `2 r^1.5`."""
    shape = config.hypernetwork
    names = set(type(shape).model_fields) & set(PerceiverConfig.model_fields) - {"encoder", "patches", "modules"}
    return {"scaling": 2 * shape.rank**1.5, **{name: getattr(shape, name) for name in names}}


def _said(value: object) -> str:
    """A field's value for a message; of linear layers their names."""
    return ", ".join(part.name for part in value) if isinstance(value, tuple) else repr(value)


@dataclass(frozen=True)
class _Scores:
    """Loss and exact match of each context `[contexts]`, in the batch's order."""

    loss: Tensor
    exact: Tensor


class PerceiverObjective:
    """Questions about contexts, answered by the base with the adapters that the hypernetwork generates."""

    def __init__(
        self,
        config: PerceiverTrainingConfig,
        base: BaseLM,
        *,
        train: Mapping[str, Sequence[Example]] = EMPTY,
        heldout: Mapping[str, Sequence[Example]] = EMPTY,
    ) -> None:
        """A new hypernetwork, or that of `config.init_from`.

        Args:
            config: the run.
            base: the frozen base, which is the teacher too.
            train: contexts with questions, by the kinds of `PerceiverData` that are not made as they are needed.
            heldout: the same, to measure on.

        Raises:
            HypernetworkError: if `init_from` holds another kind or is for another base, or the encoder does not fit.
            TrainingError: if `init_from` has another shape than the config.
        """
        self.config, self.base = config, base
        shape = config.hypernetwork
        self.encoder = load_encoder(
            base, shape.encoder_model, quantized=shape.quantized_encoder, patches=chosen_patches(config), training=True
        )
        if config.data.has_images and not self.encoder.reads_images:
            raise ConfigError(
                f"data has images, but context encoder {self.encoder.name} reads text only; set "
                "hypernetwork.encoder_model to a vision-language model, or hypernetwork.encoder to patches"
            )
        torch.manual_seed(config.seed)
        self.shape = hypernetwork_config(config, base, self.encoder)
        if config.init_from is None:
            hypernetwork = PerceiverHypernetwork(self.shape)
        else:
            loaded, hypernetwork = DOC_TO_LORA.load(config.init_from)
            self.shape = self._continued(loaded, str(config.init_from))
        check_encoder(self.encoder, self.shape, "of this run")
        self.hypernetwork = hypernetwork.to(base.device).train()
        affixes = self.shape.encoder
        self.train_batches = PerceiverBatches(config, base, self.encoder, affixes, train)
        self.heldout_batches = PerceiverBatches(config, base, self.encoder, affixes, heldout, heldout=True)

    def _continued(self, loaded: PerceiverConfig, name: str) -> PerceiverConfig:
        """The shape of `init_from`, with what a run may change of it.

        Raises:
            HypernetworkError: if it was made for another base.
            TrainingError: if the run's config gives it another shape.
        """
        check_made_for(self.base, base_name=loaded.base_name, base_digest=loaded.base_digest, name=name)
        for field in CONTINUED_FIELDS:
            found, wanted = getattr(loaded, field), getattr(self.shape, field)
            if found != wanted:
                raise TrainingError(
                    f"init_from {name} has {field} {_said(found)}, the config wants {_said(wanted)}; set hypernetwork "
                    "as in its config.json"
                )
        changed = {field: getattr(self.shape, field) for field in ("chunk_tokens", "system_turn")}
        return loaded.model_copy(update=changed)

    @property
    def module(self) -> PerceiverHypernetwork:
        """The hypernetwork."""
        return self.hypernetwork

    def loss(self, batch: int) -> BatchLoss:
        """Loss of training batch `batch`, with loss and exact match by kind."""
        rows = self.train_batches.build(batch)
        scores, size, num_tokens = self._forward(rows)
        metrics: dict[str, float] = {"generated_size": size.item(), "contexts": float(len(rows))}
        kinds = [row.kind for row in rows]
        for kind in sorted(set(kinds)):
            chosen = torch.tensor([k == kind for k in kinds], device=scores.loss.device)
            metrics[f"loss/{kind}"] = scores.loss.detach()[chosen].mean().item()
            metrics[f"exact/{kind}"] = scores.exact[chosen].mean().item()
        loss = scores.loss.mean() + self.config.optimization.l1_weight * size
        return BatchLoss(loss, metrics, num_tokens, weight=len(rows))

    def evaluate(self) -> dict[str, float]:
        """Loss and exact match by kind on held-out batches; the same batches every time."""
        totals: dict[str, list[float]] = {}
        for index in range(self.config.evaluation_batches):
            rows = self.heldout_batches.build(index)
            scores, _, _ = self._forward(rows)
            for row, value, right in zip(rows, scores.loss.tolist(), scores.exact.tolist(), strict=True):
                totals.setdefault(f"loss/{row.kind}", []).append(value)
                totals.setdefault(f"exact/{row.kind}", []).append(right)
        return {name: sum(values) / len(values) for name, values in sorted(totals.items())}

    def score(self, heldout: Mapping[str, float]) -> float:
        """The loss, negated, summed over the kinds."""
        return -sum(value for name, value in heldout.items() if name.startswith("loss/"))

    def save_best(self, folder: Path) -> None:
        """Write the hypernetwork."""
        DOC_TO_LORA.save(folder, self.shape, self.hypernetwork)

    def _forward(self, rows: Sequence[ContextRow]) -> tuple[_Scores, Tensor, int]:
        """Scores, mean size of what was generated, and number of tokens.

        All questions are one sequence for the base. If adapters begin above its first block, each context has a row of
        its own instead, so that rows that were seen before skip the blocks below (see `lorify.base.prefix_cache`).
        """
        merged = merge_chunks(self._generate(rows), [len(row.chunks) for row in rows], self.hypernetwork.bias())
        sizes = [weights.A.abs().mean() + weights.B.abs().mean() for weights in merged.values()]
        joined = self.shape.first_layer == 0
        packed = pack_rows([row.segments for row in rows], joined=joined).to(self.base.device)
        lora = as_lora_batch(
            merged, self.shape.scaling, first_layer=self.shape.first_layer, owner=packed.row[0] if joined else None
        )
        with self._autocast():
            logits = answer_logits(self.base, packed, lora)
        if self.config.optimization.loss == "kl":
            per_token = self._divergence(logits, rows, packed.segment)
        else:
            per_token = cross_entropy_per_token(logits, packed.targets)
        wrong = (logits.detach().argmax(-1) != packed.targets).float()
        owner = torch.tensor([i for i, row in enumerate(rows) for _ in row.segments], device=logits.device)

        def of_context(values: Tensor) -> Tensor:
            return mean_per_segment(values, owner, len(rows))

        loss = of_context(mean_per_segment(per_token, packed.segment, len(owner)))
        exact = of_context((mean_per_segment(wrong, packed.segment, len(owner)) == 0).float())
        num_tokens = packed.input_ids.numel() + sum(row.num_context_tokens for row in rows)
        return _Scores(loss, exact), torch.stack(sizes).mean(), num_tokens

    def _generate(self, rows: Sequence[ContextRow]) -> dict[str, Generated]:
        """Weights of all chunks, in order."""
        parts: list[dict[str, Generated]] = []
        order: list[int] = []
        for group, encoded in self._encode([chunk for row in rows for chunk in row.chunks]):
            states = encoded.states if self.config.optimization.bf16 else encoded.states.float()
            with self._autocast():
                parts.append(self.hypernetwork(states, encoded.mask, encoded.places))
            order += group
        place = torch.tensor(order, device=self.base.device).argsort()
        return {
            name: Generated(*(torch.cat([getattr(part[name], which) for part in parts])[place] for which in "AB"))
            for name in parts[0]
        }

    def _encode(self, chunks: Sequence[Chunk]) -> Iterator[tuple[Sequence[int], EncodedContexts]]:
        """Indices of chunks with their features: all in one sequence of a language model, else some at a time."""
        kind, num_layers = self.shape.encoder.kind, self.shape.encoder.num_layers
        if isinstance(self.encoder, TextEncoder):
            yield range(len(chunks)), self.encoder.encode_packed(chunks, kind=kind, num_layers=num_layers)
            return
        for group in _encoded_together(chunks):
            yield group, self.encoder.encode([chunks[i] for i in group], kind=kind, num_layers=num_layers)

    def _divergence(self, logits: Tensor, rows: Sequence[ContextRow], segment: Tensor) -> Tensor:
        """KL to the teacher `[answers]`: to its stored predictions, or to those that it makes now."""
        taught = [question for row in rows for question in row.taught]
        per_token = logits.new_zeros(len(logits))
        is_stored = torch.tensor([question is not None for question in taught], device=logits.device)[segment]
        stored = [question for question in taught if question is not None]
        if stored:
            per_token = per_token.masked_scatter(is_stored, stored_kl_per_token(logits[is_stored], stored))
        # The context opens the teacher's prompts, and so is read once for all questions about it.
        asked = [[s for s, q in zip(row.segments, row.taught, strict=True) if q is None] for row in rows]
        asked = [segments for segments in asked if segments]
        data = self.config.data
        # Other processes may have to ask, and a sharded base is called by all of them or by none.
        others_ask = self.base.is_sharded and bool(data.niah + data.facts + data.questions)
        if asked or others_ask:
            packed = pack_rows(asked or [rows[0].segments], teacher=True, joined=True).to(self.base.device)
            with torch.no_grad(), self._autocast():
                teacher = answer_logits(self.base, packed, None)
            if asked:
                made = top_k_kl_per_token(logits[~is_stored], teacher, self.config.optimization.teacher_top_k)
                per_token = per_token.masked_scatter(~is_stored, made)
        return per_token

    def _autocast(self) -> torch.autocast:
        return torch.autocast(self.base.device.type, dtype=torch.bfloat16, enabled=self.config.optimization.bf16)


def _encoded_together(chunks: Sequence[Chunk]) -> list[list[int]]:
    """Indices in groups, each of texts of like length, or of images."""
    images = [i for i, chunk in enumerate(chunks) if isinstance(chunk, ImageChunk)]
    texts = [i for i, chunk in enumerate(chunks) if not isinstance(chunk, ImageChunk)]
    groups = groups_of_like_length([len(chunks[i]) for i in texts], CHUNK_GROUPS) if texts else []
    return [[texts[i] for i in group] for group in groups] + ([images] if images else [])


def stored_kl_per_token(logits: Tensor, stored: Sequence[SelfGeneratedQuestion]) -> Tensor:
    """KL(teacher || student) over the teacher's stored predictions `[answers]`; each question may keep its own number.

    Args:
        logits: the student's, at the answer tokens of all `stored` questions in order `[answers, vocabulary]`.
        stored: what the teacher answered.
    """
    parts = []
    for question, own in zip(stored, logits.split([len(q.answer_ids) for q in stored]), strict=True):
        top = torch.tensor(question.top_ids, device=logits.device).view(-1, question.top_k)
        teacher_log = torch.tensor(question.top_log_probs, device=logits.device).view(-1, question.top_k)
        student_log = own.log_softmax(-1).gather(-1, top)
        parts.append((teacher_log.exp() * (teacher_log - student_log)).sum(-1))
    return torch.cat(parts)
