"""The text of an answer while its tokens come in: what may be shown already, and where it has to stop."""

from __future__ import annotations

from collections.abc import Callable, Sequence

UNFINISHED = "\N{REPLACEMENT CHARACTER}"


class AnswerText:
    """Turns tokens into text.

    A character may need several tokens, and a stop text may begin at the end of what has come; such an end is held
    back until the next tokens show what it is.
    """

    def __init__(self, decode: Callable[[Sequence[int]], str], stops: Sequence[str], *, trim: bool) -> None:
        """Start with no token.

        Args:
            decode: token ids -> text.
            stops: the answer ends before the first of these.
            trim: leave out white space at the answer's beginning and end.
        """
        self._decode = decode
        self._stops = [stop for stop in stops if stop]
        self._trim = trim
        self._ids: list[int] = []
        self._text = ""
        self._num_shown = 0
        self.stopped = False

    def add(self, token: int) -> None:
        """Take the next token; `stopped` says afterwards whether a stop text has come."""
        self._ids.append(token)
        self._text = self._decode(self._ids)
        ends = [at for stop in self._stops if (at := self._text.find(stop)) >= 0]
        if ends:
            self._text = self._text[: min(ends)]
            self.stopped = True

    def take(self, *, last: bool = False) -> str:
        """The text that may be shown and has not been taken yet; with `last`, all that is left."""
        text = self._text.lstrip() if self._trim else self._text
        end = len(text) if last or self.stopped else self._safe_end(text)
        if self._trim:
            end = len(text[:end].rstrip())
        new = text[self._num_shown : end]
        self._num_shown = max(self._num_shown, end)
        return new

    def _safe_end(self, text: str) -> int:
        end = len(text.rstrip(UNFINISHED))
        for stop in self._stops:
            for size in range(min(len(stop) - 1, len(text)), 0, -1):
                if text.endswith(stop[:size]):
                    end = min(end, len(text) - size)
                    break
        return end
