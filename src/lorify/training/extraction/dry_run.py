"""Estimate what a run that trains an extractor needs from its config alone.

Shape letters: N questions, T tokens of an input.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import torch
from transformers import AutoModel

from lorify.contexts.descriptions.encoder_files import read_transformer_config, resolve_embedder
from lorify.data.facts.generate import generate_fact_example
from lorify.data.facts.single_entity import generate_single_entity_example
from lorify.extraction.extractor import answer_log_probabilities
from lorify.extraction.inputs import SPECIAL_TOKENS
from lorify.extraction.model import ExtractorNetwork
from lorify.training.context_sizes import ContextSize, mean_size, passage_size
from lorify.training.dry_run import DryRun, estimate_run
from lorify.training.engine.meta_base import count_parameters
from lorify.training.engine.peak_memory import measure_cost
from lorify.training.extraction.config import ExtractionTrainingConfig
from lorify.training.extraction.objective import span_loss


def dry_run_extraction(config: ExtractionTrainingConfig, *, shapes: Sequence[tuple[int, int]] | None = None) -> DryRun:
    """Estimate the parameters, memory and time of a run. The encoder counts as the base.

    Args:
        config: the run.
        shapes: N and T of the natural and of the generated questions of a batch; None: the typical ones.

    Raises:
        ContextError: if the encoder cannot be found or downloaded.
    """
    folder = resolve_embedder(config.extractor.encoder)
    with torch.device("meta"):
        encoder = AutoModel.from_config(read_transformer_config(folder), attn_implementation="sdpa")
        network = ExtractorNetwork(encoder, config.extractor.rank)
    trained = sum(weight.numel() for weight in network.trained_weights().values())
    chosen = shapes or _usual_shapes(config)
    cost = measure_cost(lambda: _run_step(network, chosen), (network,))
    return estimate_run(
        config,
        base_parameters=count_parameters(network) - trained,
        trained=trained,
        activation_bytes=cost.peak_bytes,
        batch_flops=cost.flops,
    )


def _run_step(network: ExtractorNetwork, shapes: Sequence[tuple[int, int]]) -> None:
    """Run forward and backward pass, as `ExtractionObjective.loss` does."""
    network.train()
    losses = []
    with torch.enable_grad():
        for shape in shapes:
            ids, everywhere = torch.zeros(shape, dtype=torch.long), torch.ones(shape, dtype=torch.bool)
            with torch.autocast("cpu", dtype=torch.bfloat16):
                logits = network(ids, torch.ones_like(ids), ids)
            losses.append(span_loss(answer_log_probabilities(logits, everywhere), everywhere, everywhere)[0])
        torch.cat(losses).mean().backward()


def _usual_shapes(config: ExtractionTrainingConfig) -> list[tuple[int, int]]:
    data = config.data
    most = data.questions_per_context
    generators = ((generate_fact_example, data.facts), (generate_single_entity_example, data.portraits))
    generated = [
        mean_size(partial(generate, split="train", num_questions=most), most)
        for generate, count in generators
        for _ in range(count)
    ]
    rows = sum(size.questions + (data.unanswerable_share > 0) for size in generated)
    shapes = [(rows, max(map(_tokens, generated)))] if generated else []
    if data.questions_path and data.questions:
        shapes.append((data.questions, _tokens(passage_size(data.max_context_chars, 1))))
    return [(count, min(tokens, config.extractor.max_tokens)) for count, tokens in shapes]


def _tokens(size: ContextSize) -> int:
    """Length of an input."""
    return size.tokens + size.question_tokens + SPECIAL_TOKENS
