"""A process that reads one untrusted document: `python -m lorify.serving.documents.parsing_worker`.

It loads the readers, says `ready`, waits for a job on standard input, gives up what it does not need, reads the
document and ends. A job is a line of JSON (`ParsingJob`) and the document's bytes. The answer is a line of JSON
(`ParsingAnswer`). No answer: the system has ended the process at one of its limits.
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
from lorify.errors import ContextError, ContextTooLargeError

READY = b"ready\n"

_FORBIDDEN = ("socket.", "subprocess.", "os.exec", "os.fork", "os.posix_spawn", "os.spawn", "os.system")
_MEMORY_MAP_PATH = Path("/proc/self/statm")


@dataclass(frozen=True)
class ParsingJob:
    """What to read, and at what cost.

    Attributes:
        name: name of the document.
        timeout_seconds: most time it may take, on the wall and on the processor.
        max_memory_bytes: most memory it may take, that of the readers not counted.
        max_text_bytes: longest text that is answered.
        max_pages: most pages of a PDF.
    """

    name: str
    timeout_seconds: float
    max_memory_bytes: int
    max_text_bytes: int
    max_pages: int

    def to_line(self) -> bytes:
        """The first line of a job."""
        return json.dumps(asdict(self)).encode() + b"\n"


@dataclass(frozen=True)
class ParsingAnswer:
    """What was read, or why it was not.

    Attributes:
        text: text of the document; None if it was not read.
        error: the reason.
        too_large: whether the reason is a limit on size or cost.
    """

    text: str | None = None
    error: str = ""
    too_large: bool = False


def main() -> None:
    """Read one document."""
    warnings.simplefilter("ignore")
    answers = _take_over_stdout()
    # Readers load parts of themselves when first used, which the limits would be in the way of.
    document_from_bytes(b"<p>warm-up</p>", "warm-up", ".html", 1000)
    answers.write(READY)
    line = sys.stdin.buffer.readline()
    if not line:
        return
    job = ParsingJob(**json.loads(line))
    data = sys.stdin.buffer.read()
    _limit(job)
    try:
        answer = _read(job, data)
    except MemoryError:
        answer = _takes_too_much(job)
    answers.write(json.dumps(asdict(answer)).encode() + b"\n")


def _read(job: ParsingJob, data: bytes) -> ParsingAnswer:
    try:
        # The limit is for what archives unpack to; that of the upload itself has been looked at.
        suffix = PurePath(job.name).suffix.lower()
        text = document_from_bytes(data, job.name, suffix, job.max_memory_bytes, max_pages=job.max_pages).text
    except ContextError as error:
        reasons = _reasons(error)
        if MemoryError in reasons:
            return _takes_too_much(job)
        if RecursionError in reasons:
            return ParsingAnswer(
                error=f"document {job.name} is nested too deeply to be read; save it in a simpler form"
            )
        return ParsingAnswer(error=str(error), too_large=isinstance(error, ContextTooLargeError))
    if len(text.encode()) > job.max_text_bytes:
        said = f"document {job.name} has more than {job.max_text_bytes:,} bytes of text; split it"
        return ParsingAnswer(error=said, too_large=True)
    return ParsingAnswer(text)


def _reasons(error: BaseException | None) -> set[type[BaseException]]:
    """Types of the errors that led to `error`, those that markitdown has collected included."""
    reasons: set[type[BaseException]] = set()
    while error is not None:
        reasons.add(type(error))
        reasons |= {attempt.exc_info[0] for attempt in getattr(error, "attempts", None) or [] if attempt.exc_info}
        error = error.__cause__ or error.__context__
    return reasons


def _takes_too_much(job: ParsingJob) -> ParsingAnswer:
    said = f"document {job.name} takes more than {job.max_memory_bytes:,} bytes of memory to read; split it"
    return ParsingAnswer(error=said, too_large=True)


def _limit(job: ParsingJob) -> None:
    """Let the system end this process when it takes too much, and forbid it what reading does not need."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    cpu_seconds = math.ceil(used.ru_utime + used.ru_stime + job.timeout_seconds)
    limits = {resource.RLIMIT_FSIZE: 0, resource.RLIMIT_CORE: 0}
    if _MEMORY_MAP_PATH.exists():  # elsewhere than on Linux the system does not limit memory
        num_pages = int(_MEMORY_MAP_PATH.read_text().split()[0])
        limits[resource.RLIMIT_AS] = num_pages * resource.getpagesize() + job.max_memory_bytes
    for limit, value in limits.items():
        resource.setrlimit(limit, (value, value))
    # The soft limit ends the process with a signal of its own, which tells the reason.
    resource.setrlimit(resource.RLIMIT_CPU, (cpu_seconds, cpu_seconds + 1))
    signal.setitimer(signal.ITIMER_REAL, job.timeout_seconds)
    sys.addaudithook(_forbid)


def _forbid(event: str, _arguments: tuple[object, ...]) -> None:
    """Some readers ask services in the net or start programs."""
    if event.startswith(_FORBIDDEN):
        raise PermissionError(f"a document may not lead to {event}")


def _take_over_stdout() -> BinaryIO:
    """Standard output for answers alone; what libraries print goes nowhere."""
    answers = os.fdopen(os.dup(1), "wb", buffering=0)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.close(nowhere)
    return answers


if __name__ == "__main__":
    main()
