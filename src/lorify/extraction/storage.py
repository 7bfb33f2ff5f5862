"""Extractors on disk: `extractor.json` and, in float16, the weights that are not the encoder's own.

The two files may be in their own folder or in a hypernetwork's.
"""

from __future__ import annotations

import json
from pathlib import Path

import torch
from pydantic import ValidationError
from safetensors import SafetensorError
from safetensors.torch import load_file
from transformers import PreTrainedTokenizerBase

from lorify.atomic import replaced_folder, reported_write_errors, save_tensors
from lorify.base.weight_shapes import find_mismatch
from lorify.errors import ExtractorError, first_line, first_problem
from lorify.extraction.config import ExtractorConfig
from lorify.extraction.extractor import Extractor
from lorify.extraction.model import ExtractorNetwork, load_encoder
from lorify.json_text import parse_json
from lorify.plain_files import open_plain_file, read_plain_file

FORMAT_VERSION = 2
WITHOUT_FORMS = 1
"""Version of extractors whose answers are always words of the text."""
CONFIG_NAME = "extractor.json"
WEIGHTS_NAME = "extractor.safetensors"
MAX_CONFIG_BYTES = 1 << 16
ALWAYS_WORDS = 4.0
"""Bias for the form "words" of extractors that were trained without verdicts."""


def save_extractor(folder: Path, config: ExtractorConfig, network: ExtractorNetwork) -> None:
    """Write an extractor; an earlier one in `folder` is replaced completely or not at all.

    Args:
        folder: folder to write; missing parents are created.
        config: its config, with the digest of its encoder.
        network: its network, not merged.

    Raises:
        ExtractorError: if the folder contains other files, or cannot be written.
    """
    with (
        reported_write_errors(folder, ExtractorError),
        replaced_folder(folder, {CONFIG_NAME, WEIGHTS_NAME}, ExtractorError) as temporary,
    ):
        weights = {name: tensor.half().cpu().contiguous() for name, tensor in network.trained_weights().items()}
        save_tensors(weights, temporary / WEIGHTS_NAME)
        document = {"format_version": FORMAT_VERSION, **config.model_dump(mode="json")}
        (temporary / CONFIG_NAME).write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


def has_extractor(folder: Path) -> bool:
    """Return whether a folder contains an extractor, even a damaged one."""
    return (folder / CONFIG_NAME).exists()


def load_extractor(
    folder: Path, *, dtype: torch.dtype = torch.float32, device: torch.device | str = "cpu"
) -> Extractor:
    """Read an extractor and the encoder that it needs.

    Args:
        folder: its folder.
        dtype: dtype to compute in.
        device: device to compute on.

    Raises:
        ExtractorError: if it is damaged, or its encoder cannot be loaded.
    """
    config, network, tokenizer = load_network(folder)
    network.merge()
    return Extractor(network.to(device, dtype).eval(), tokenizer, config)


def load_network(folder: Path) -> tuple[ExtractorConfig, ExtractorNetwork, PreTrainedTokenizerBase]:
    """Read the network of an extractor in a form that can be trained further.

    Returns:
        The config, the network with separate LoRAs, and the tokenizer of the encoder.

    Raises:
        ExtractorError: if it is damaged, or its encoder cannot be loaded.
    """
    config, version = _read_config(folder)
    encoder, tokenizer, _ = load_encoder(config)
    network = ExtractorNetwork(encoder, config.rank)
    _load_weights(folder, network, version)
    return config, network, tokenizer


def _load_weights(folder: Path, network: ExtractorNetwork, version: int) -> None:
    """Fill a network with the weights in a folder.

    Raises:
        ExtractorError: if they are damaged or do not fit.
    """
    try:
        open_plain_file(folder / WEIGHTS_NAME).close()
        weights = {name: tensor.float() for name, tensor in load_file(folder / WEIGHTS_NAME).items()}
    except (OSError, SafetensorError, RuntimeError) as error:
        raise _damaged(folder, f"{WEIGHTS_NAME}: {first_line(error)}") from error
    if version == WITHOUT_FORMS:
        with torch.no_grad():
            network.form_head.weight.zero_()
            network.form_head.bias.copy_(torch.tensor([ALWAYS_WORDS, 0.0, 0.0]))
        weights |= {f"form_head.{name}": tensor for name, tensor in network.form_head.state_dict().items()}
    mismatch = find_mismatch(network.trained_weights(), weights)
    if mismatch is not None:
        raise _damaged(folder, mismatch)
    network.load_state_dict(weights, strict=False)  # the encoder's own weights are not among them


def _read_config(folder: Path) -> tuple[ExtractorConfig, int]:
    """The config, and the version of the format."""
    try:
        document = parse_json(read_plain_file(folder / CONFIG_NAME, MAX_CONFIG_BYTES).decode("utf-8"))
        version = document.pop("format_version", None) if isinstance(document, dict) else None
        if version not in (WITHOUT_FORMS, FORMAT_VERSION):
            raise _damaged(folder, f"{CONFIG_NAME} has format version {version}, expected at most {FORMAT_VERSION}")
        config = ExtractorConfig.model_validate(document)
    except (OSError, UnicodeDecodeError, json.JSONDecodeError, ValidationError) as error:
        reason = first_problem(error) if isinstance(error, ValidationError) else first_line(error)
        raise _damaged(folder, f"{CONFIG_NAME}: {reason}") from error
    if not config.encoder_digest:
        raise _damaged(folder, f"{CONFIG_NAME} has no encoder_digest")
    return config, version


def _damaged(folder: Path, reason: str) -> ExtractorError:
    return ExtractorError(f"{folder} is not an extractor, or damaged ({reason}); train or fetch it again")
