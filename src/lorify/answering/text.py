"""Turn the tokens of an answer into text as they arrive."""

from __future__ import annotations

from collections.abc import Sequence

from lorify.base.token_texts import UNFINISHED, Decode


class AnswerText:
    """The text of an answer, and how much of it can be shown.

    A character may take several tokens, and the text may end with the beginning of a stop text. Such an ending is held
    back until further tokens resolve it.
    """

    def __init__(self, decode: Decode, stops: Sequence[str] = (), *, trim: bool) -> None:
        """Start with no token.

        Args:
            decode: token ids -> text.
            stops: the answer ends before the first of these texts.
            trim: strip white space at both ends of the answer.
        """
        self._decode = decode
        self._stops = [stop for stop in stops if stop]
        self._trim = trim
        self._ids: list[int] = []
        self._text = ""
        self._num_shown = 0
        self.stopped = False

    def add(self, token: int) -> None:
        """Add the next token; sets `stopped` if the text now contains a stop text."""
        self._ids.append(token)
        self._text = self._decode(self._ids)
        ends = [at for stop in self._stops if (at := self._text.find(stop)) >= 0]
        if ends:
            self._text = self._text[: min(ends)]
            self.stopped = True

    def take(self, *, last: bool = False) -> str:
        """Return the text that can be shown and has not been returned before.

        Args:
            last: return everything that is left, as no token follows.
        """
        text = self._text.lstrip() if self._trim else self._text
        end = len(text) if last or self.stopped else self._safe_end(text)
        if self._trim:
            end = len(text[:end].rstrip())
        new = text[self._num_shown : end]
        self._num_shown = max(self._num_shown, end)
        return new

    def _safe_end(self, text: str) -> int:
        """Length of the prefix of `text` that further tokens cannot change."""
        end = len(text.rstrip(UNFINISHED))
        return min([end, *(len(text) - _overlap(text, stop) for stop in self._stops)])


def _overlap(text: str, stop: str) -> int:
    """Length of the longest proper prefix of `stop` that `text` ends with.

    Only positions with the stop's first character are compared: clients choose the stops, and this delays all answers.
    """
    start = max(0, len(text) - len(stop) + 1)
    while (start := text.find(stop[0], start)) >= 0:
        if stop.startswith(text[start:]):
            return len(text) - start
        start += 1
    return 0
