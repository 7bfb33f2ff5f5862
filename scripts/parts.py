"""Split a folder into parts of at most 15 MiB, and join them with a check.

python scripts/parts.py split runs/budget/best runs/budget.parts
python scripts/parts.py join runs/budget.parts runs/budget/best
"""

import argparse
import hashlib
import sys
import tarfile
import tempfile
from pathlib import Path

PART_BYTES = 15 << 20
SUMS_NAME = "SHA256SUMS"


def main() -> None:
    parser = argparse.ArgumentParser(description="Split a folder into parts of at most 15 MiB, or join them.")
    parser.add_argument("action", choices=["split", "join"])
    parser.add_argument("source", type=Path)
    parser.add_argument("target", type=Path)
    options = parser.parse_args()
    problem = {"split": split, "join": join}[options.action](options.source, options.target)
    if problem:
        sys.exit(f"error: {problem}")


def split(folder: Path, parts_dir: Path) -> str | None:
    """Write a folder as parts and their check sums; returns what is wrong."""
    if not folder.is_dir():
        return f"{folder} is no folder; give the one to split"
    parts_dir.mkdir(parents=True, exist_ok=True)
    for old in parts_dir.glob("part-*"):
        old.unlink()
    sums = []
    with tempfile.TemporaryFile() as file:
        with tarfile.open(fileobj=file, mode="w:gz") as archive:
            archive.add(folder, arcname=".")
        file.seek(0)
        while content := file.read(PART_BYTES):
            name = f"part-{len(sums):02}"
            (parts_dir / name).write_bytes(content)
            sums.append(f"{hashlib.sha256(content).hexdigest()}  {name}\n")
    (parts_dir / SUMS_NAME).write_text("".join(sums))
    print(f"{len(sums)} parts in {parts_dir}")
    return None


def join(parts_dir: Path, folder: Path) -> str | None:
    """Check the parts and unpack them into a new folder; returns what is wrong."""
    if not (parts_dir / SUMS_NAME).is_file():
        return f"{parts_dir} has no {SUMS_NAME}; give the folder that split has written"
    if folder.exists():
        return f"{folder} exists; give a new folder"
    with tempfile.TemporaryFile() as file:
        for line in (parts_dir / SUMS_NAME).read_text().splitlines():
            digest, name = line.split()
            path = parts_dir / name
            content = path.read_bytes() if path.is_file() else b""
            if hashlib.sha256(content).hexdigest() != digest:
                return f"{path} is missing or damaged; copy it again"
            file.write(content)
        file.seek(0)
        with tarfile.open(fileobj=file, mode="r:gz") as archive:
            archive.extractall(folder, filter="data")
    print(f"{folder} is complete")
    return None


if __name__ == "__main__":
    main()
