"""The Hugging Face hub: `org/name[/folder][@revision]` wherever a path is taken, and uploads.

Only JSON and safetensors files are downloaded. They are kept in the hub's own cache, so that what was used once is
found without a network.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from lorify.atomic import failure_reason
from lorify.errors import LorifyError
from lorify.plain_files import expand_home

DATA_FILES = ("*.json", "*.safetensors")
ETAG_TIMEOUT_SECONDS = 5.0
_ADDRESS = re.compile(r"(?P<repo>\w[\w.-]*/\w[\w.-]*)(?:/(?P<folder>\w[\w./-]*?))?/?(?:@(?P<revision>[\w][\w./-]*))?")


@dataclass(frozen=True)
class HubAddress:
    """A repository on the hub, or a folder in it.

    Attributes:
        repo: `organisation/name`.
        folder: path inside the repository; empty for all of it.
        revision: branch, tag or commit; None for the main branch.
    """

    repo: str
    folder: str = ""
    revision: str | None = None

    def __str__(self) -> str:
        """Return the address in the form that users give."""
        folder = f"/{self.folder}" if self.folder else ""
        return f"{self.repo}{folder}{f'@{self.revision}' if self.revision else ''}"

    @classmethod
    def parse(cls, text: str | Path) -> HubAddress | None:
        """Read an address; None for an existing path, and for a text of another form."""
        if os.path.exists(expand_home(text)):
            return None
        match = _ADDRESS.fullmatch(str(text))
        return None if match is None else cls(match["repo"], match["folder"] or "", match["revision"])


def local_folder(path: str | Path, what: str, error: type[LorifyError]) -> Path:
    """Return a folder on this machine: a path as it is, an address on the hub once it is downloaded.

    Args:
        path: path or address.
        what: what is loaded, such as `hypernetwork`, for the error.
        error: class of the error to raise.

    Raises:
        LorifyError: of class `error`, if the hub has no such repository, folder or revision, or cannot be reached, or
            the download cannot be written.
    """
    address = HubAddress.parse(path)
    if address is None:
        return expand_home(path)
    prefix = f"{address.folder}/" if address.folder else ""
    folder = download(address, [prefix + pattern for pattern in DATA_FILES], what, error) / address.folder
    if not any(folder.glob("*.safetensors")):
        raise error(
            f"{what} {str(address)!r} on the Hugging Face hub holds no safetensors files, and pickled ones are never "
            "loaded; check the folder, or convert a checkpoint of the papers' authors with lorify import"
        )
    return folder


def download(address: HubAddress, patterns: Sequence[str], what: str, error: type[LorifyError]) -> Path:
    """Download some files of a repository, unless they are in the cache, and return the folder of the repository.

    Args:
        address: the repository and its revision.
        patterns: patterns of the files.
        what: what is loaded, for the error.
        error: class of the error to raise.

    Raises:
        LorifyError: as `local_folder`.
    """
    from huggingface_hub import HfApi

    with _reported(address, what, error):
        return Path(
            HfApi().snapshot_download(
                address.repo,
                revision=address.revision,
                allow_patterns=list(patterns),
                etag_timeout=ETAG_TIMEOUT_SECONDS,
            )
        )


def upload(folder: Path, address: HubAddress, files: Sequence[str], *, private: bool, error: type[LorifyError]) -> str:
    """Upload files of a folder, and create the repository if it is missing.

    Args:
        folder: the folder.
        address: the repository, and the folder in it.
        files: names of the files.
        private: create the repository as a private one.
        error: class of the error to raise.

    Returns:
        Address of the commit as a web page.

    Raises:
        LorifyError: of class `error`, if the hub cannot be reached or refuses it.
    """
    from huggingface_hub import HfApi

    with _reported(address, "repository", error):
        HfApi().create_repo(address.repo, private=private, exist_ok=True)
        commit = HfApi().upload_folder(
            repo_id=address.repo,
            folder_path=folder,
            path_in_repo=address.folder or None,
            revision=address.revision,
            allow_patterns=list(files),
            commit_message=f"Upload {folder.name} with lorify",
        )
    return str(commit.commit_url)


@contextmanager
def _reported(address: HubAddress, what: str, error: type[LorifyError]) -> Iterator[None]:
    """Turn exceptions of huggingface_hub into one line that says what to do."""
    from huggingface_hub import errors

    try:
        yield
    except errors.GatedRepoError as cause:
        problem = "is gated; ask for access on its page, then log in with `hf auth login`"
        raise error(f"{what} {str(address)!r} {problem}") from cause
    except errors.RepositoryNotFoundError as cause:
        problem = (
            "is not a folder here, and the Hugging Face hub has no repository of that name, or it is private; check "
            "the name, "
        )
        raise error(f"{what} {str(address)!r} {problem}or log in with `hf auth login`") from cause
    except errors.RevisionNotFoundError as cause:
        problem = f"has no revision {address.revision!r}; give a branch, a tag or a commit that it has"
        raise error(f"{what} {str(address)!r} {problem}") from cause
    except errors.HFValidationError as cause:
        raise error(f"{what} {str(address)!r} is not a valid name of a repository; give organisation/name") from cause
    except (errors.LocalEntryNotFoundError, errors.OfflineModeIsEnabled) as cause:
        problem = "is not in the local cache and the Hugging Face hub cannot be reached; "
        raise error(f"{what} {str(address)!r} {problem}connect to a network, or give a local folder") from cause
    except errors.HfHubHTTPError as cause:
        status = cause.response.status_code if cause.response is not None else "no answer"
        problem = "log in with `hf auth login`" if status in (401, 403) else "try again"
        raise error(f"the Hugging Face hub refused {what} {str(address)!r} (HTTP {status}); {problem}") from cause
    except Exception as cause:
        if not isinstance(cause, OSError) and not type(cause).__module__.startswith(("httpx", "httpcore", "hf_xet")):
            raise
        problem = (
            f"cannot be fetched from or sent to the Hugging Face hub ({failure_reason(cause)}); connect to a network"
        )
        raise error(f"{what} {str(address)!r} {problem} or free disk space, and try again") from cause
