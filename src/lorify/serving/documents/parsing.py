"""Uploaded documents -> text, each read in a process of its own with limits on time and memory.

The libraries that read documents are large and meet files that were made to harm them. What goes wrong in there ends
one process, and one line tells the client. The processes need Linux or another POSIX system.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
from pathlib import PurePosixPath
from types import TracebackType

from lorify.contexts.documents import TEXT_SUFFIXES, Document, document_from_text
from lorify.errors import ContextError, ContextTooLargeError
from lorify.serving.documents.parsing_worker import READY, ParsingAnswer, ParsingJob

DEFAULT_TIMEOUT_SECONDS = 30.0
DEFAULT_MAX_MEMORY_BYTES = 1 << 30
DEFAULT_MAX_BYTES = 32 << 20
DEFAULT_MAX_PAGES = 1000
MAX_NAME_LENGTH = 200
MAX_PARALLEL = 2
START_SECONDS = 120.0

_WORKER = (sys.executable, "-I", "-m", "lorify.serving.documents.parsing_worker")
# Nothing of the server's environment, which may hold secrets; one thread is enough for a document.
_ENVIRONMENT = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}


class DocumentParser:
    """Reads uploads; a process is kept ready for the next one, as starting one takes a second.

    Safe to use from several threads; two documents at a time are read, others wait.
    """

    def __init__(
        self,
        *,
        timeout_seconds: float = DEFAULT_TIMEOUT_SECONDS,
        max_memory_bytes: int = DEFAULT_MAX_MEMORY_BYTES,
        max_bytes: int = DEFAULT_MAX_BYTES,
        max_pages: int = DEFAULT_MAX_PAGES,
        keep_ready: bool = True,
    ) -> None:
        """Start the first process.

        Args:
            timeout_seconds: most time that reading one document may take.
            max_memory_bytes: most memory that it may take.
            max_bytes: larger uploads are refused, and so are those with more text.
            max_pages: PDFs with more pages are refused.
            keep_ready: False starts a process only when there is a document.
        """
        self._timeout_seconds = timeout_seconds
        self._max_memory_bytes = max_memory_bytes
        self._max_bytes = max_bytes
        self._max_pages = max_pages
        self._lock = threading.Lock()
        self._slots = threading.BoundedSemaphore(MAX_PARALLEL)
        self._busy: set[subprocess.Popen[bytes]] = set()
        self._ready = _start() if keep_ready else None

    def parse(self, data: bytes, filename: str) -> Document:
        """Read an upload.

        Args:
            data: its content.
            filename: what the client calls it; its last part becomes the document's name, its suffix tells the kind.

        Raises:
            ContextError: if it is empty, encrypted, damaged or of no readable kind.
            ContextTooLargeError: if it is too large or long, or takes too much time or memory to read.
        """
        name = safe_name(filename)
        if len(data) > self._max_bytes:
            raise ContextTooLargeError(
                f"document {name} has {len(data):,} bytes, at most {self._max_bytes:,} are taken; split it"
            )
        text = _plain_text(data, name)
        if text is None:
            with self._slots:
                text = self._read(self._take(), data, name)
        return document_from_text(text, name)

    def close(self) -> None:
        """End all processes; further documents are still read, each in a process started for it."""
        with self._lock:
            process, self._ready = self._ready, None
            for busy in self._busy:
                busy.kill()
        if process is not None:
            _end(process)

    def __enter__(self) -> DocumentParser:
        """The parser itself."""
        return self

    def __exit__(
        self, type: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close it."""
        self.close()

    def _take(self) -> subprocess.Popen[bytes]:
        """A process for one document."""
        with self._lock:
            if self._ready is None:
                return _start()
            process, self._ready = self._ready, _start()
            return process

    def _read(self, process: subprocess.Popen[bytes], data: bytes, name: str) -> str:
        job = ParsingJob(name, self._timeout_seconds, self._max_memory_bytes, self._max_bytes, self._max_pages)
        with self._lock:
            self._busy.add(process)
        try:
            # The process ends itself in time; this is for one that cannot even start.
            output, _ = process.communicate(job.to_line() + data, timeout=START_SECONDS + self._timeout_seconds)
        except subprocess.TimeoutExpired:
            output = b""
        finally:
            with self._lock:
                self._busy.discard(process)
            _end(process)
        if not output.startswith(READY):
            raise RuntimeError(f"documents cannot be read; {' '.join(_WORKER)} tells why")
        answer = output.removeprefix(READY)
        if answer.endswith(b"\n"):
            result = ParsingAnswer(**json.loads(answer))
            if result.text is not None:
                return result.text
            raise (ContextTooLargeError if result.too_large else ContextError)(result.error)
        if process.returncode in (-signal.SIGALRM, -signal.SIGXCPU):
            raise ContextTooLargeError(f"document {name} takes more than {self._timeout_seconds:g} s to read; split it")
        raise ContextError(f"document {name} is damaged and cannot be read (its reader crashed); save it again")


def parse_document(
    data: bytes,
    filename: str,
    *,
    timeout_seconds: float = DEFAULT_TIMEOUT_SECONDS,
    max_memory_bytes: int = DEFAULT_MAX_MEMORY_BYTES,
    max_bytes: int = DEFAULT_MAX_BYTES,
    max_pages: int = DEFAULT_MAX_PAGES,
) -> Document:
    """Read one upload; `DocumentParser` is for many.

    Args:
        data: its content.
        filename: what the client calls it.
        timeout_seconds: most time that reading may take.
        max_memory_bytes: most memory that it may take.
        max_bytes: larger uploads are refused, and so are those with more text.
        max_pages: PDFs with more pages are refused.

    Raises:
        ContextError, ContextTooLargeError: as `DocumentParser.parse`.
    """
    parser = DocumentParser(
        timeout_seconds=timeout_seconds,
        max_memory_bytes=max_memory_bytes,
        max_bytes=max_bytes,
        max_pages=max_pages,
        keep_ready=False,
    )
    return parser.parse(data, filename)


def safe_name(filename: str) -> str:
    """A document's name: the last part of a path, without what would break a line or a terminal."""
    name = PurePosixPath(filename.replace("\\", "/")).name
    printable = "".join(character for character in name if character.isprintable()).strip()
    return printable[-MAX_NAME_LENGTH:] or "document"


def _plain_text(data: bytes, name: str) -> str | None:
    """Text of a plain UTF-8 file, which needs no reader; None if it is anything else."""
    if PurePosixPath(name).suffix.lower() not in TEXT_SUFFIXES or b"\0" in data:
        return None
    if not data.strip() or data.startswith((b"%PDF", b"PK\x03\x04", b"\xef\xbb\xbf")):
        return None
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return None


def _start() -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        _WORKER, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, cwd="/", env=_ENVIRONMENT
    )


def _end(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.wait()
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            pipe.close()
