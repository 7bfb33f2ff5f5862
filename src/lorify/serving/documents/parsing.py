"""Convert uploaded documents to text. Each is parsed in its own process, with limits on time and memory.

Parsing libraries are large and meet malicious files. Whatever happens inside them ends one process, and the client gets
a one-line error. The processes need Linux or another POSIX system.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
from pathlib import PurePosixPath
from types import TracebackType

from lorify.contexts.documents import Document
from lorify.contexts.formats.registry import plain_text
from lorify.contexts.formats.source import FileContent
from lorify.errors import ContextError, ContextTooLargeError
from lorify.serving.documents.parsing_worker import READY, ParsingJob, ParsingResult
from lorify.serving.limits.text_sizes import TextLimits

MAX_NAME_LENGTH = 200
_TIME_LIMITS = {-signal.SIGALRM: "", -signal.SIGXCPU: " of processor time"}
"""How a process ends that the system kills at a time limit, and what the limit counts."""
MAX_PARALLEL = 2
START_SECONDS = 120.0
WORKER_COMMAND = (sys.executable, "-I", "-m", "lorify.serving.documents.parsing_worker")

# The server's own environment is not passed on, as it may hold secrets. One thread is enough for a document.
_ENVIRONMENT = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}


class DocumentParser:
    """Parses uploads in worker processes; one idle process is kept ready, as starting one takes a second.

    Thread-safe. `MAX_PARALLEL` documents are parsed at once; further ones wait.
    """

    def __init__(
        self,
        *,
        timeout_seconds: float,
        max_memory_bytes: int,
        max_bytes: int,
        max_pages: int,
        text_limits: TextLimits | None = None,
    ) -> None:
        """Start the first process.

        Args:
            timeout_seconds: time limit for one document.
            max_memory_bytes: memory limit for one document.
            max_bytes: limit on the size of an upload, and on the size of its text.
            max_pages: limit on the pages of a PDF.
            text_limits: limits on the text of a document; by default only `max_bytes`.
        """
        self._text_limits = text_limits or TextLimits(max_bytes, max_bytes)
        self._timeout_seconds = timeout_seconds
        self._max_memory_bytes = max_memory_bytes
        self._max_bytes = max_bytes
        self._max_pages = max_pages
        self._lock = threading.Lock()
        self._slots = threading.BoundedSemaphore(MAX_PARALLEL)
        self._busy: set[subprocess.Popen[bytes]] = set()
        self._idle: subprocess.Popen[bytes] | None = _start()

    def parse(self, data: bytes, filename: str) -> Document:
        """Parse an upload.

        Args:
            data: its content.
            filename: the client's file name; its last part names the document, its suffix gives the file type.

        Raises:
            ContextError: if it is empty, encrypted, damaged or of an unsupported type.
            ContextTooLargeError: if it is too large or long, or takes too much time or memory to parse.
        """
        name = safe_name(filename)
        if len(data) > self._max_bytes:
            raise ContextTooLargeError(
                f"document {name} has {len(data):,} bytes, the limit is {self._max_bytes:,}; split it"
            )
        text = plain_text(FileContent(data, name, PurePosixPath(name).suffix.lower(), self._max_bytes))
        if text is None:
            with self._slots:
                text = self._parse_in_worker(data, name)
        return self._text_limits.document(text, name)

    def close(self) -> None:
        """End all processes. Later documents are still parsed, each in a process started for it."""
        with self._lock:
            process, self._idle = self._idle, None
            for busy in self._busy:
                busy.kill()
        if process is not None:
            _end(process)

    def __enter__(self) -> DocumentParser:
        """Return the parser itself."""
        return self

    def __exit__(
        self, type: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close it."""
        self.close()

    def _parse_in_worker(self, data: bytes, name: str) -> str:
        job = ParsingJob(name, self._timeout_seconds, self._max_memory_bytes, self._max_bytes, self._max_pages)
        process = self._take_process()
        try:
            # The worker enforces its own time limit; this one is for a worker that cannot even start.
            output, _ = process.communicate(job.to_line() + data, timeout=START_SECONDS + self._timeout_seconds)
        except subprocess.TimeoutExpired:
            output = b""
        finally:
            with self._lock:
                self._busy.discard(process)
            _end(process)
        return self._text_of(output, process.returncode, name)

    def _take_process(self) -> subprocess.Popen[bytes]:
        """Return a process for one document, marked as busy."""
        with self._lock:
            if self._idle is None:
                process = _start()
            else:
                process, self._idle = self._idle, _start()
            self._busy.add(process)
            return process

    def _text_of(self, output: bytes, returncode: int, name: str) -> str:
        """Return the text from a worker's output.

        Raises:
            RuntimeError: if the worker did not start.
            ContextError, ContextTooLargeError: if it could not parse the document.
        """
        if not output.startswith(READY):
            raise RuntimeError(f"the document parser does not start; run {' '.join(WORKER_COMMAND)} to see why")
        line = output.removeprefix(READY)
        if line.endswith(b"\n"):
            result = ParsingResult(**json.loads(line))
            if result.text is not None:
                return result.text
            raise (ContextTooLargeError if result.too_large else ContextError)(result.error)
        if returncode in _TIME_LIMITS:
            kind = _TIME_LIMITS[returncode]
            raise ContextTooLargeError(
                f"document {name} takes more than {self._timeout_seconds:g} s{kind} to parse; split it"
            )
        raise ContextError(
            f"document {name} cannot be read (the parser crashed: it is damaged, or needs more than "
            f"{self._max_memory_bytes:,} bytes of memory); save it again, or split it"
        )


def safe_name(filename: str) -> str:
    """Return a document's name: the last part of a path, without characters that would break a line or a terminal."""
    name = PurePosixPath(filename.replace("\\", "/")).name
    printable = "".join(character for character in name if character.isprintable()).strip()
    return printable[-MAX_NAME_LENGTH:] or "document"


def safe_text(text: str) -> str:
    """Return a text without characters that command a terminal; white space stays."""
    return "".join(character for character in text if character.isprintable() or character in "\n\t")


def _start() -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        WORKER_COMMAND,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        cwd="/",
        env=_ENVIRONMENT,
    )


def _end(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.wait()
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            pipe.close()
