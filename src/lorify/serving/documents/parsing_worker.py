"""A process that parses one untrusted document: `python -m lorify.serving.documents.parsing_worker`.

It loads the parsing libraries, prints `ready`, waits for a job on standard input, drops the rights it does not need,
parses the document and exits. A job is a line of JSON (`ParsingJob`) followed by the document's bytes. The result is a
line of JSON (`ParsingResult`). No result means that the system killed the process at one of its limits.
"""

from __future__ import annotations

import json
import math
import os
import resource
import signal
import sys
import warnings
from dataclasses import asdict, dataclass
from pathlib import Path, PurePath
from typing import BinaryIO

from lorify.contexts.documents import document_from_bytes
from lorify.contexts.formats.registry import load_readers
from lorify.errors import ContextError, ContextTooLargeError
from lorify.serving.limits.sharing import lower_priority

READY = b"ready\n"

_FORBIDDEN = ("socket.", "subprocess.", "os.exec", "os.fork", "os.posix_spawn", "os.spawn", "os.system")
_MEMORY_MAP_PATH = Path("/proc/self/statm")


@dataclass(frozen=True)
class ParsingJob:
    """A document to parse, and its limits.

    Attributes:
        name: name of the document.
        timeout_seconds: limit on wall-clock time and on CPU time.
        max_memory_bytes: memory limit, on top of what the loaded libraries take.
        max_text_bytes: limit on the size of the text.
        max_pages: limit on the pages of a PDF.
    """

    name: str
    timeout_seconds: float
    max_memory_bytes: int
    max_text_bytes: int
    max_pages: int

    def to_line(self) -> bytes:
        """Return the first line of a job."""
        return json.dumps(asdict(self)).encode() + b"\n"


@dataclass(frozen=True)
class ParsingResult:
    """The text of a document, or why it could not be parsed.

    Attributes:
        text: text of the document; None if it could not be parsed.
        error: the reason.
        too_large: whether the reason is a limit on size, time or memory.
    """

    text: str | None = None
    error: str = ""
    too_large: bool = False


def main() -> None:
    """Read a job and its document from standard input, parse it under limits, and write the text to standard output."""
    warnings.simplefilter("ignore")
    output = _take_over_stdout()
    # The libraries import more on first use, which would fail under the limits.
    load_readers()
    document_from_bytes(b"<p>warm-up</p>", "warm-up", ".html", 1000)
    output.write(READY)
    line = sys.stdin.buffer.readline()
    if not line:
        return
    job = ParsingJob(**json.loads(line))
    data = sys.stdin.buffer.read()
    restrict_process(job)
    try:
        result = _parse(job, data)
    except MemoryError:
        result = _out_of_memory(job)
    output.write(json.dumps(asdict(result)).encode() + b"\n")


def _parse(job: ParsingJob, data: bytes) -> ParsingResult:
    try:
        # This limit is on what archives unpack to; the size of the upload was checked before.
        suffix = PurePath(job.name).suffix.lower()
        text = document_from_bytes(data, job.name, suffix, job.max_memory_bytes, max_pages=job.max_pages).text
    except ContextError as error:
        causes = _causes(error)
        if MemoryError in causes:
            return _out_of_memory(job)
        if RecursionError in causes:
            return ParsingResult(
                error=f"document {job.name} is nested too deeply to be parsed; save it in a simpler form"
            )
        return ParsingResult(error=str(error), too_large=isinstance(error, ContextTooLargeError))
    if len(text.encode()) > job.max_text_bytes:
        message = f"document {job.name} has more than {job.max_text_bytes:,} bytes of text; split it"
        return ParsingResult(error=message, too_large=True)
    return ParsingResult(text)


def _causes(error: BaseException | None) -> set[type[BaseException]]:
    """Types of the errors that led to `error`, including those that markitdown collects."""
    causes: set[type[BaseException]] = set()
    while error is not None:
        causes.add(type(error))
        causes |= {attempt.exc_info[0] for attempt in getattr(error, "attempts", None) or [] if attempt.exc_info}
        error = error.__cause__ or error.__context__
    return causes


def _out_of_memory(job: ParsingJob) -> ParsingResult:
    message = f"document {job.name} takes more than {job.max_memory_bytes:,} bytes of memory to parse; split it"
    return ParsingResult(error=message, too_large=True)


def restrict_process(job: ParsingJob) -> None:
    """Let the system kill this process at its limits, and forbid it the network, writing files and starting programs.

    None of this can be undone.
    """
    used = resource.getrusage(resource.RUSAGE_SELF)
    cpu_seconds = math.ceil(used.ru_utime + used.ru_stime + job.timeout_seconds)
    limits = {resource.RLIMIT_FSIZE: 0, resource.RLIMIT_CORE: 0}
    if _MEMORY_MAP_PATH.exists():  # only Linux enforces a memory limit
        num_pages = int(_MEMORY_MAP_PATH.read_text().split()[0])
        limits[resource.RLIMIT_AS] = num_pages * resource.getpagesize() + job.max_memory_bytes
    for limit, value in limits.items():
        resource.setrlimit(limit, (value, value))
    # The soft limit kills with SIGXCPU, which tells the parent the reason.
    resource.setrlimit(resource.RLIMIT_CPU, (cpu_seconds, cpu_seconds + 1))
    signal.setitimer(signal.ITIMER_REAL, job.timeout_seconds)
    lower_priority()
    sys.addaudithook(_forbid)


def _forbid(event: str, _arguments: tuple[object, ...]) -> None:
    """Audit hook: some parsing libraries call web services or start programs."""
    if event.startswith(_FORBIDDEN):
        raise PermissionError(f"parsing a document may not trigger {event}")


def _take_over_stdout() -> BinaryIO:
    """Keep standard output for results; what libraries print is discarded."""
    output = os.fdopen(os.dup(1), "wb", buffering=0)
    devnull = os.open(os.devnull, os.O_WRONLY)
    os.dup2(devnull, 1)
    os.close(devnull)
    return output


if __name__ == "__main__":
    main()
