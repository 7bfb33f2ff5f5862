"""Mutated documents of every format: does reading them end, with text or a refusal, within its memory?

    python benchmarks/fuzz_documents.py
    python benchmarks/fuzz_documents.py --first 500 --documents 500

Small documents of all formats get flipped bytes, cuts, doubled or swapped parts and wrong suffixes. Each is the same
for a seed and a number, so that parts of a run can be repeated. A process of its own reads them; it is started again
when it crashes or takes longer than the time limit. Prints a table by format, and each failure; exits with status 1 if
there was one.
"""

from __future__ import annotations

import argparse
import multiprocessing
import random
import sys
import time
import zipfile
from collections import Counter, defaultdict
from io import BytesIO
from multiprocessing.connection import Connection
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

from contexts.formats.builders import docx, epub, msg, open_document, paragraph, pptx, xlsx, zipped
from contexts.formats.pdf_pages import cells, grid, pdf, text

from lorify.contexts.documents import document_from_bytes
from lorify.contexts.formats.registry import FORMATS, load_readers
from lorify.errors import ContextError

MEGABYTE = 1 << 20
MAX_BYTES = 32 * MEGABYTE
WARM_UP = 200
GROWTH = 1.10
ROWS = [["Item", "Price"], ["Lamp", "12.50"], ["Rope", "3.75"]]
TABLE = grid([70, 200, 300], [700, 720, 740, 760]) + cells([72, 202], [745, 725, 705], ROWS)
EML = b"From: ann@example.org\nSubject: Mill\nMIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b\n\n--b\n" + (
    b"Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: quoted-printable\n\nCaf=C3=A9 at nine.\n--b\n"
    b'Content-Disposition: attachment; filename="plan.txt"\nContent-Transfer-Encoding: base64\n\nQWRh\n--b--\n'
)
HTML = b"<!doctype html><html><body><h1>Mill</h1><table><tr><th>a</th></tr><tr><td>1</td></tr></table></body></html>"
FEED = (
    b'<?xml version="1.0"?><rss version="2.0"><channel><title>News</title><item><title>A</title></item></channel></rss>'
)
NOTEBOOK = (
    b'{"cells": [{"cell_type": "markdown", "source": ["# Mill"]}], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}'
)

SEEDS: dict[str, bytes] = {
    ".pdf": pdf(text(72, 700, "The mill opens at nine. Ada keeps bees."), TABLE),
    ".docx": docx(paragraph("The mill opens."), header1=paragraph("Acme"), comments=paragraph("Why?")),
    ".xlsx": xlsx({"Prices": [list(row) for row in ROWS]}),
    ".pptx": pptx("Mill", "It opens at nine.", "A note.", ROWS),
    ".epub": epub(["<p>The mill opens.</p>", "<p>Ada keeps bees.</p>"]),
    ".odt": open_document("text", "<office:text><text:p>The mill opens.</text:p></office:text>"),
    ".zip": zipped({"a.txt": "The mill opens.", "b.csv": "a,b\n1,2\n3,4\n"}),
    ".rtf": b"{\\rtf1\\ansi{\\fonttbl\\f0 Arial;}\\f0 The mill opens at {\\b nine}.\\par Caf\\'e9 \\u8364?}",
    ".html": HTML,
    ".rss": FEED,
    ".eml": EML,
    ".csv": b"item;price;stock\nlamp;12,50;3\nrope;3,75;9\nboat;99,00;1\n",
    ".ipynb": NOTEBOOK,
    ".json": b'{"mill": {"opens": 9, "keeper": "Ada"}, "bees": [1, 2.5, null, true]}',
    ".md": "# Mill\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\nCafé — it opens at nine.\n".encode(),
    ".txt": "The mill opens at nine.\nAda keeps bees, and they like clover.\n".encode("utf-16"),
    ".msg": msg({"0037": "Mill", "0C1F": "ann@example.org", "1000": "It opens at nine."}, ["plan.pdf"]),
    # A compound file of which only the header and its tables are sound, as in .xls and .msg.
    ".xls": bytes.fromhex("d0cf11e0a1b11ae1")
    + bytes(16)
    + b"\x3e\0\x03\0\xfe\xff\x09\0\x06\0"
    + b"\xfe\xff\xff\xff" * 400,
}
SUFFIXES = sorted({suffix for entry in FORMATS.values() for suffix in entry.suffixes} | {".bin", ".PDF"})


def flip_bytes(data: bytearray, rng: random.Random) -> bytes:
    for _ in range(rng.choice((1, 1, 4, 16, 64))):
        data[rng.randrange(len(data))] = rng.choice((rng.randrange(256), 0, 255, 10, 60, 125))
    return bytes(data)


def cut(data: bytearray, rng: random.Random) -> bytes:
    start, end = sorted(rng.randrange(len(data) + 1) for _ in range(2))
    return bytes(rng.choice((data[:end], data[start:], data[:start] + data[end:])))


def double(data: bytearray, rng: random.Random) -> bytes:
    start, end = sorted(rng.randrange(len(data) + 1) for _ in range(2))
    return bytes(data[:end] + data[start:end] * rng.choice((1, 2, 50)) + data[end:])


def swap_numbers(data: bytearray, rng: random.Random) -> bytes:
    """Replace a run of digits by an extreme number."""
    digits = [i for i in range(len(data)) if 48 <= data[i] < 58]
    if not digits:
        return cut(data, rng)
    at = rng.choice(digits)
    number = rng.choice((b"0", b"-1", b"4294967296", b"99999999999999999999", b"1e999", b"65535"))
    return bytes(data[:at] + number + data[at + 1 :])


def change_member(data: bytearray, rng: random.Random) -> bytes:
    """Mutate one member of a zip archive, which a flipped byte of the archive would only make unreadable."""
    try:
        with zipfile.ZipFile(BytesIO(data)) as archive:
            members: dict[str, bytes] = {name: archive.read(name) for name in archive.namelist()}
    except Exception:  # no archive, or one that an earlier mutation has damaged
        return swap_numbers(data, rng)
    if not members:
        return swap_numbers(data, rng)
    name = rng.choice(sorted(members))
    content = bytearray(members[name])
    if not content or rng.random() < 0.1:
        del members[name]
    else:
        members[name] = rng.choice((flip_bytes, cut, double, swap_numbers))(content, rng)
    return zipped(dict(members))


MUTATIONS = (flip_bytes, cut, double, swap_numbers, change_member, change_member)


def mutated(seed: int, number: int) -> tuple[str, bytes, str]:
    """A mutated document: the suffix of its seed, its content, and the suffix it is given."""
    rng = random.Random(f"{seed} {number}")
    kinds = list(SEEDS)
    kind = kinds[number % len(kinds)]
    data = SEEDS[kind]
    for _ in range(rng.choice((1, 1, 2, 3))):
        data = rng.choice(MUTATIONS)(bytearray(data), rng) if data else data
    suffix = rng.choice(SUFFIXES) if rng.random() < 0.25 else kind
    return kind, data, suffix


def read_all(seed: int, pipe: Connection) -> None:
    """Read the documents whose numbers arrive, and send how each ended."""
    load_readers()
    while True:
        _, data, suffix = mutated(seed, pipe.recv())
        try:
            document_from_bytes(data, f"file{suffix}", suffix, MAX_BYTES, max_pages=1000)
            outcome = "read"
        except ContextError as error:
            outcome = "refused" if len(str(error).splitlines()) == 1 else f"error: several lines {error!r}"
        except MemoryError:
            outcome = "refused"
        except Exception as error:  # what must not come
            outcome = f"error: {type(error).__name__}: {error}"
        pipe.send(outcome)


def resident_bytes(pid: int) -> int:
    """Memory of a process."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0]) * 1024


class Reader:
    """A process that reads documents."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._start()

    def _start(self) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, other = context.Pipe()
        self._process = context.Process(target=read_all, args=(self._seed, other), daemon=True)
        self._process.start()
        other.close()

    @property
    def memory(self) -> int:
        return resident_bytes(self._process.pid or 0)

    def read(self, number: int, time_limit: float) -> str:
        """Return how a document ended; a crash or hang ends the process, and a new one is started."""
        self._pipe.send(number)
        try:
            if self._pipe.poll(time_limit):
                return self._pipe.recv()
            outcome = "hang"
        except EOFError:
            outcome = "crash"
        self.stop()
        self._start()
        return outcome

    def stop(self) -> None:
        self._process.kill()
        self._process.join()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--documents", type=int, default=2000)
    parser.add_argument("--first", type=int, default=0, help="number of the first one")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--seconds", type=float, default=60, help="time limit for a document")
    options = parser.parse_args()
    reader, outcomes, slowest = Reader(options.seed), defaultdict(Counter), Counter[str]()
    failures, memory = [], 0
    for count in range(options.documents):
        number = options.first + count
        kind, _, suffix = mutated(options.seed, number)
        started = time.monotonic()
        outcome = reader.read(number, options.seconds)
        slowest[kind] = max(slowest[kind], round(1000 * (time.monotonic() - started)) if count else 0)
        outcomes[kind][outcome.partition(":")[0]] += 1
        if outcome not in ("read", "refused"):
            failures.append(f"document {number} ({kind} as {suffix}): {outcome}")
        if count + 1 == min(WARM_UP, options.documents):
            memory = reader.memory
    print(f"{'format':<8}{'read':>6}{'refused':>9}{'error':>7}{'crash':>7}{'hang':>6}{'slowest, ms':>13}")
    for kind, counts in outcomes.items():
        row = "".join(f"{counts[name]:>{width}}" for name, width in (("read", 6), ("refused", 9), ("error", 7)))
        print(f"{kind:<8}{row}{counts['crash']:>7}{counts['hang']:>6}{slowest[kind]:>13}")
    grown = reader.memory / memory
    print(
        f"memory {memory / MEGABYTE:.0f} MiB after {WARM_UP} documents, {reader.memory / MEGABYTE:.0f} MiB at the end"
    )
    if grown > GROWTH:
        failures.append(f"memory grew to {grown:.2f} of that after {WARM_UP} documents")
    print("\n".join(failures) or "no failure")
    reader.stop()
    sys.exit(bool(failures))


if __name__ == "__main__":
    main()
