"""Read rows of data sets from the Hugging Face hub or a local copy."""

from __future__ import annotations

import zipfile
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, cast

from lorify.errors import EvaluationError, first_line
from lorify.json_text import parse_json

Row = Mapping[str, Any]
_MAX_REASON_CHARS = 120


def read_archive(hub_id: str, member: str) -> Iterable[Row]:
    """Read a JSON lines file in `data.zip` of a data set on the hub (LongBench).

    Raises:
        EvaluationError: if the archive cannot be fetched.
    """
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    try:
        archive = hf_hub_download(hub_id, "data.zip", repo_type="dataset")
    except (OSError, HfHubHTTPError, LocalEntryNotFoundError) as error:
        raise _unreadable(hub_id, error) from error
    with zipfile.ZipFile(archive) as files:
        return [parse_json(line) for line in files.read(member).splitlines() if line.strip()]


def read_dataset(
    path: str, split: str, *, name: str | None = None, data_dir: str | None = None, streaming: bool = False
) -> Iterator[Row]:
    """Read a split of a data set, on the hub or in a folder, with the package `datasets`.

    Args:
        path: hub id or folder.
        split: name of the split.
        name: configuration of the data set; None: the only one.
        data_dir: folder in the data set.
        streaming: read the rows one by one, without fetching the whole data set.

    Raises:
        EvaluationError: if the package is not installed, or the data set cannot be fetched or read.
    """
    try:
        from datasets import load_dataset  # pyright: ignore[reportMissingImports]
        from datasets.exceptions import DatasetsError  # pyright: ignore[reportMissingImports]
    except ImportError as error:
        raise EvaluationError(
            f"data set {path} needs the package datasets, which is not installed; run "
            "`pip install 'lorify[datasets]'`, or give a local copy in JSON lines"
        ) from error
    try:
        yield from cast(Iterable[Row], load_dataset(path, name, data_dir=data_dir, split=split, streaming=streaming))
    except StopIteration as error:  # for an empty local file
        raise EvaluationError(f"data set {path} has no row in its split {split}; give a complete copy") from error
    except (OSError, ValueError, RuntimeError, DatasetsError) as error:
        raise _unreadable(path, error) from error


def _unreadable(source: str, error: BaseException) -> EvaluationError:
    error = error.__cause__ or error  # the package often wraps the cause in a general error
    reason = first_line(error)[:_MAX_REASON_CHARS]
    return EvaluationError(
        f"data set {source} cannot be read ({reason}); connect to the hub, or give a complete local copy"
    )
