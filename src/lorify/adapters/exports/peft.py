"""Export adapters to the PEFT format, and import them from it.

Exported adapters carry their provenance in the header of the weights file, which PEFT ignores; statistics are not
exported. Only plain LoRA is imported; an adapter that uses any other PEFT feature is refused, naming the feature.
"""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import safetensors
import torch
from pydantic import ValidationError
from safetensors import SafetensorError
from torch import Tensor

from lorify.adapters.adapter import Adapter, Key, LoraPair, Provenance, check_pair, lora_scaling, lorify_version
from lorify.adapters.exports.exporter import Exporter, different_export
from lorify.adapters.exports.model_card import write_model_card
from lorify.adapters.exports.vllm_ranks import needed_rank
from lorify.adapters.probes import agree, peft_logits, probe_logits
from lorify.adapters.storage import write_tensors
from lorify.atomic import replaced_folder, reported_write_errors
from lorify.base.files.locate import HUB_IDS, hub_id
from lorify.errors import AdapterError
from lorify.json_text import parse_json

if TYPE_CHECKING:
    from lorify.base.model import BaseLM

CONFIG_NAME = "adapter_config.json"
WEIGHTS_NAME = "adapter_model.safetensors"
CARD_NAME = "README.md"
PROVENANCE_KEY = "lorify_provenance"

MAX_NUMBER = 2**31
"""Upper limit of ranks and alphas (exclusive)."""

_OWNED = frozenset({CONFIG_NAME, WEIGHTS_NAME, CARD_NAME})
_TENSOR_NAME = re.compile(r"base_model\.model\.(?P<path>.+)\.lora_(?P<which>[AB])\.weight")

# Fields of a PEFT config that are read below or do not change the meaning of the stored weights.
_HARMLESS = frozenset(
    "peft_type task_type r lora_alpha use_rslora rank_pattern alpha_pattern init_lora_weights bias auto_mapping "
    "base_model_name_or_path revision peft_version inference_mode target_modules exclude_modules layers_to_transform "
    "layers_pattern lora_dropout megatron_core qalora_group_size runtime_config eva_config loftq_config "
    "ensure_weight_tying".split()
)
# Other initializations change the base's weights, which then differ from those of the loaded base.
_PLAIN_STARTS = (None, True, False, "gaussian", "eva", "orthogonal")


_LOADING = """\
- PEFT: `model.load_adapter("part-00001", "part-00001")` for each part, `model.set_adapter(name)` for a question.
"""
# Left out if pairs differ in rank: vLLM scales some of them wrongly.
_LOADING_VLLM = """\
- vLLM: `vllm serve {base_name} --enable-lora --max-lora-rank {rank} --lora-modules part-00001=part-00001 ...`; the
  name of the part is the `model` of a request.
"""


class PeftExporter(Exporter):
    """Writes folders in the PEFT format."""

    part_files = frozenset({CONFIG_NAME, WEIGHTS_NAME})

    def export(self, adapter: Adapter, base: BaseLM, path: Path, *, probe: bool = True) -> None:
        """Write an adapter with a model card; see `export_peft`."""
        export_peft(adapter, base, path, probe=probe)

    def export_part(self, adapter: Adapter, base: BaseLM, path: Path, *, probe: bool = True) -> None:
        """Write an adapter without a model card, since the card describes adapters of whole documents."""
        export_peft(adapter, base, path, probe=probe, with_card=False)

    def describe_loading(self, base_name: str, ranks: Collection[int]) -> str:
        """Describe how vLLM and PEFT load the parts."""
        vllm = _LOADING_VLLM.format(base_name=base_name, rank=needed_rank(max(ranks))) if len(ranks) == 1 else ""
        return vllm + _LOADING


def export_peft(
    adapter: Adapter,
    base: BaseLM,
    folder: Path,
    *,
    base_name: str | None = None,
    probe: bool = True,
    with_card: bool = True,
) -> None:
    """Write an adapter for `PeftModel.from_pretrained(model, folder)`.

    Before it is moved to `folder`, the written adapter is read back and every tensor and scale is compared.

    Args:
        adapter: the adapter.
        base: the base it is for.
        folder: folder to write; a PEFT adapter in it is replaced atomically.
        base_name: name of the base to record; by default its Hugging Face id if it has one, or else `base.name`.
        probe: also compare the logits that the package peft computes with the adapter; takes about a second.
        with_card: also write a model card, `README.md`.

    Raises:
        AdapterError: if the adapter does not fit the base, the written adapter reads back differently, or `folder`
            contains other files or cannot be written.
    """
    adapter.check_base(base)
    recorded = base_name or hub_id(base.name)
    tensors: dict[str, Tensor] = {}
    for key, pair in adapter.weights.items():
        path = base.module_path(*key)
        tensors[f"base_model.model.{path}.lora_A.weight"] = pair.A
        tensors[f"base_model.model.{path}.lora_B.weight"] = pair.B
    metadata = {"format": "pt", PROVENANCE_KEY: adapter.provenance.model_dump_json()}
    with reported_write_errors(folder, AdapterError), replaced_folder(folder, _OWNED, AdapterError) as temporary:
        write_tensors(tensors, temporary / WEIGHTS_NAME, metadata)
        config = json.dumps(_peft_config(adapter, base, recorded), indent=2)
        (temporary / CONFIG_NAME).write_text(config + "\n", encoding="utf-8")
        if with_card:
            (temporary / CARD_NAME).write_text(write_model_card(adapter, base, recorded), encoding="utf-8")
        _check_same(adapter, import_peft(temporary, base, probe=False))
        if probe:
            _check_with_peft(adapter, base, temporary)


def find_peft_folder(path: Path) -> Path | None:
    """Find a PEFT adapter in a folder: in the folder itself, or in the subfolder that PEFT writes for a named adapter.

    Returns:
        The folder with `adapter_config.json`; None if there is none.

    Raises:
        AdapterError: if the folder contains several named adapters.
    """
    if (path / CONFIG_NAME).is_file():
        return path
    named = sorted(config.parent for config in path.glob(f"*/{CONFIG_NAME}"))
    if len(named) > 1:
        names = ", ".join(folder.name for folder in named)
        raise AdapterError(f"{path} holds several PEFT adapters ({names}); give one of these folders")
    return named[0] if named else None


def peft_base_name(folder: Path) -> str | None:
    """Return lorify's name for the base that a PEFT adapter records; None if it records none.

    Raises:
        AdapterError: if its config is damaged, or it is not plain LoRA.
    """
    recorded = _read_config(folder).get("base_model_name_or_path")
    short = {published: name for name, published in HUB_IDS.items()}
    return short.get(recorded, recorded) if isinstance(recorded, str) and recorded else None


def import_peft(folder: Path, base: BaseLM, *, probe: bool = True) -> Adapter:
    """Import a plain LoRA adapter in the PEFT format.

    The scaling given by `use_rslora` and `alpha_pattern` is folded into `lora_alpha`, or into `B` for pairs whose
    scaling differs from `lora_alpha / r`.

    Args:
        folder: a folder with `adapter_config.json` and `adapter_model.safetensors`.
        base: the base it is for. PEFT records no digest, so only the shapes are checked unless lorify exported the
            adapter.
        probe: also compare the logits that the package peft computes with the adapter; takes about a second.

    Raises:
        AdapterError: if a file is missing or damaged, the adapter is not plain LoRA, a tensor does not fit any linear
            layer of the base, or the package peft computes different logits.
    """
    config = _read_config(folder)
    tensors, metadata = _read_weights(folder)
    weights, scalings = {}, {}
    for path, (key, pair) in _match_modules(tensors, base, folder).items():
        rank = _pattern_value(config, "rank_pattern", path, config["r"], folder)
        alpha = _pattern_value(config, "alpha_pattern", path, config["lora_alpha"], folder)
        if rank != pair.rank:
            raise AdapterError(
                f"PEFT adapter {folder}: {path} has rank {pair.rank}, but {CONFIG_NAME} says {rank}; fetch it again"
            )
        weights[key] = pair
        scalings[key] = lora_scaling(alpha, rank, use_rslora=bool(config.get("use_rslora")))
    key = max(weights, key=lambda key: weights[key].rank)
    lora_alpha = float(config["lora_alpha"])
    if scalings[key] != lora_alpha / weights[key].rank:
        lora_alpha = scalings[key] * weights[key].rank
    for key, pair in weights.items():
        if not math.isclose(scalings[key], lora_alpha / pair.rank, rel_tol=1e-12):
            B = pair.B.float() * (scalings[key] * pair.rank / lora_alpha)
            weights[key] = LoraPair(pair.A.float(), B)
    adapter = Adapter(weights, lora_alpha, _read_provenance(metadata, base, folder))
    adapter.check_base(base)
    if probe:
        _check_with_peft(adapter, base, folder)
    return adapter


def _peft_config(adapter: Adapter, base: BaseLM, base_name: str) -> dict[str, Any]:
    ranks = {base.module_path(*key): pair.rank for key, pair in adapter.weights.items()}
    usual_rank = Counter(ranks.values()).most_common(1)[0][0]
    alpha = adapter.lora_alpha
    return {
        "peft_type": "LORA",
        "task_type": "CAUSAL_LM",
        "base_model_name_or_path": base_name,
        "inference_mode": True,
        "r": usual_rank,
        "lora_alpha": int(alpha) if alpha == int(alpha) else alpha,
        "lora_dropout": 0.0,
        "use_rslora": False,
        "use_dora": False,
        "bias": "none",
        "fan_in_fan_out": False,
        "init_lora_weights": True,
        "modules_to_save": None,
        # Full paths, so that PEFT does not adapt the same module in other blocks.
        "target_modules": list(ranks),
        # PEFT reads the keys as regular expressions; a path matches itself, since a dot matches a dot.
        "rank_pattern": {path: rank for path, rank in ranks.items() if rank != usual_rank},
        "alpha_pattern": {},
    }


def _check_same(adapter: Adapter, reread: Adapter) -> None:
    """Refuse an export that reads back as a different adapter or has weights that are not finite."""
    same = adapter.weights.keys() == reread.weights.keys() and all(
        torch.equal(pair.A.cpu(), reread.weights[key].A)
        and torch.equal(pair.B.cpu(), reread.weights[key].B)
        and bool(pair.A.isfinite().all() and pair.B.isfinite().all())
        and adapter.scaling(key) == reread.scaling(key)
        for key, pair in adapter.weights.items()
    )
    if not same:
        raise different_export("PEFT")


def _check_with_peft(adapter: Adapter, base: BaseLM, folder: Path) -> None:
    """Refuse a folder for which the package peft computes different logits."""
    if not agree(peft_logits(base, folder), probe_logits(base, adapter), base.dtype):
        raise AdapterError(
            "the package peft gives other logits for a probe prompt with this PEFT adapter than lorify does; use "
            "another version of peft, or make the adapter again"
        )


def _read_config(folder: Path) -> dict[str, Any]:
    """Read `adapter_config.json`, refusing anything but plain LoRA."""
    path = folder / CONFIG_NAME
    if not path.is_file():
        raise AdapterError(f"{folder} is not a PEFT adapter: {CONFIG_NAME} is missing; give the folder that PEFT saved")
    try:
        config = parse_json(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
        raise AdapterError(f"PEFT adapter {folder}: {CONFIG_NAME} is damaged ({error}); fetch it again") from error
    if not isinstance(config, dict):
        raise AdapterError(f"PEFT adapter {folder}: {CONFIG_NAME} is not a JSON object; fetch it again")
    if config.get("peft_type") != "LORA":
        raise AdapterError(f"PEFT adapter {folder} is of type {config.get('peft_type')!r}; give one of type LORA")
    unsupported = sorted(name for name, value in config.items() if value and name not in _HARMLESS)
    if config.get("bias", "none") != "none":
        unsupported.append(f"bias={config['bias']!r}")
    start = config.get("init_lora_weights")
    if start not in _PLAIN_STARTS:
        unsupported.append(f"init_lora_weights={start!r}")
    if unsupported:
        raise AdapterError(
            f"PEFT adapter {folder} uses {', '.join(unsupported)}; lorify imports plain LoRA only: "
            "merge such an adapter into its base with PEFT and load the merged model"
        )
    rank, alpha = config.setdefault("r", 8), config.setdefault("lora_alpha", 8)
    if not _is_number(rank) or not _is_number(alpha):
        raise AdapterError(
            f"PEFT adapter {folder}: r is {rank!r} and lora_alpha {alpha!r}; expected numbers above 0; fetch it again"
        )
    return config


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < MAX_NUMBER


def _pattern_value(config: Mapping[str, Any], name: str, path: str, default: float, folder: Path) -> float:
    """Return the value of the first pattern that matches the end of a module's path, following PEFT's rules."""
    patterns = config.get(name) or {}
    try:
        value = next((v for key, v in patterns.items() if re.match(rf"(.*\.)?({key})$", path)), default)
    except (AttributeError, re.error) as error:
        raise AdapterError(f"PEFT adapter {folder}: {name} is damaged ({error}); fetch it again") from error
    if not _is_number(value):
        raise AdapterError(f"PEFT adapter {folder}: {name} gives {value!r} for {path}; expected a number above 0")
    return value


def _read_weights(folder: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Read the tensors and metadata of the weights file."""
    path = folder / WEIGHTS_NAME
    if not path.is_file():
        if (folder / "adapter_model.bin").is_file():
            raise AdapterError(
                f"PEFT adapter {folder} is a pickle (adapter_model.bin), which could run code when loaded; "
                "if you trust it, save it again as safetensors with PEFT's save_pretrained"
            )
        raise AdapterError(f"PEFT adapter {folder}: {WEIGHTS_NAME} is missing; fetch it again")
    try:
        with safetensors.safe_open(path, framework="pt") as file:
            return {name: file.get_tensor(name) for name in file.keys()}, file.metadata() or {}
    except (OSError, SafetensorError) as error:
        raise AdapterError(f"PEFT adapter {folder}: {WEIGHTS_NAME} is damaged ({error}); fetch it again") from error


def _match_modules(tensors: Mapping[str, Tensor], base: BaseLM, folder: Path) -> dict[str, tuple[Key, LoraPair]]:
    """Map each module path to its key and pair, refusing tensors that fit no linear layer of the base."""
    keys = {base.module_path(*key): key for key in base.linear_keys}
    halves: dict[str, dict[str, Tensor]] = {}
    for name, tensor in tensors.items():
        match = _TENSOR_NAME.fullmatch(name)
        if match is None or match["path"] not in keys:
            raise AdapterError(
                f"PEFT adapter {folder}: {name} does not fit any linear layer in the blocks of base {base.name}; "
                "load the base it was made for"
            )
        halves.setdefault(match["path"], {})[match["which"]] = tensor
    if not halves:
        raise AdapterError(f"PEFT adapter {folder}: {WEIGHTS_NAME} is empty; fetch it again")
    modules = {}
    for path, half in halves.items():
        if half.keys() != {"A", "B"}:
            missing = "lora_A" if "B" in half else "lora_B"
            raise AdapterError(f"PEFT adapter {folder}: {missing} of {path} is missing; fetch it again")
        pair = LoraPair(half["A"], half["B"])
        check_pair(keys[path], pair.shape, base)
        modules[path] = (keys[path], pair)
    return modules


def _read_provenance(metadata: Mapping[str, str], base: BaseLM, folder: Path) -> Provenance:
    if PROVENANCE_KEY not in metadata:
        return Provenance(
            base_name=base.name,
            base_digest=base.digest,
            hypernetwork="imported from PEFT",
            lorify_version=lorify_version(),
        )
    try:
        return Provenance.model_validate_json(metadata[PROVENANCE_KEY])
    except ValidationError as error:
        first = error.errors()[0]["msg"]
        raise AdapterError(f"PEFT adapter {folder}: its provenance is damaged ({first}); export it again") from error
