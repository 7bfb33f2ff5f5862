"""Decoding under a constraint: which tokens may come next, and how an answer ends within its limit.

Masks come from llguidance. For each answer, the shortest known way to end it is stored. If no ending would fit the
limit after a token, the first token of the stored ending replaces it, so that JSON is complete even if it is cut short.
The search for endings is bounded, since other answers wait for it; if a form is too large, its answer ends early.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np
import torch
from llguidance import LLMatcher, LLTokenizer
from llguidance.hf import from_tokenizer
from torch import Tensor
from transformers import PreTrainedTokenizerBase, PreTrainedTokenizerFast

from lorify.base.constraints import Constraint
from lorify.errors import BaseModelError
from lorify.json_text import as_json

_LETTER = "a"  # allowed only inside a string, where brackets end nothing
_IN_STRINGS = f'"{_LETTER}'
_BETWEEN_VALUES = '}],"0123456789'
"""Characters that soon end a JSON value, best first."""
_MAX_ENDING_TOKENS = 1024
_MAX_SEARCH_STEPS = 1024
_SEARCH_STEPS_PER_TOKEN = 16
_KEPT_PARTS = 4  # an ending can stay valid without its first tokens, since the answer may already contain their text


class GrammarTokens:
    """The tokens of a base as grammars see them. Building one takes about a second."""

    def __init__(self, tokenizer: PreTrainedTokenizerBase, vocabulary_size: int, stop_ids: Collection[int]) -> None:
        """Read a tokenizer.

        Args:
            tokenizer: the base's tokenizer.
            vocabulary_size: number of logits of the base.
            stop_ids: tokens that end an answer.

        Raises:
            BaseModelError: if the tokenizer is not from the `tokenizers` library.
        """
        if not isinstance(tokenizer, PreTrainedTokenizerFast):
            raise BaseModelError(
                f"answers in a given form need a fast tokenizer, not {type(tokenizer).__name__}; use another base"
            )
        self.stop_ids = sorted(stop_ids)
        size = max(vocabulary_size, len(tokenizer))
        self.tokens: LLTokenizer = from_tokenizer(tokenizer, n_vocab=size, eos_token=self.stop_ids)
        self._vocabulary = tokenizer.get_vocab()

    def ending_token(self, allowed: np.ndarray) -> list[int]:
        """Return the allowed token that ends a JSON value soonest; empty if none is allowed.

        Args:
            allowed: for each token, whether it may come next.
        """
        letter = self._vocabulary.get(_LETTER)
        in_string = letter is not None and allowed[letter]
        known = (self._vocabulary.get(character) for character in (_IN_STRINGS if in_string else _BETWEEN_VALUES))
        preferred = [token for token in known if token is not None and allowed[token]]
        return preferred[:1] or np.flatnonzero(allowed)[:1].tolist()


class ConstrainedRow:
    """The state of one answer that is generated under a constraint: which tokens may come next."""

    def __init__(self, constraint: Constraint, tokens: GrammarTokens, max_new_tokens: int) -> None:
        """Start with no token.

        Args:
            constraint: the form of the answer.
            tokens: the base's tokens.
            max_new_tokens: maximum length of the answer, in tokens.
        """
        self._tokens = tokens
        self._matcher = LLMatcher(tokens.tokens, constraint.grammar)
        self._num_left = max_new_tokens
        self._search_steps = _MAX_SEARCH_STEPS
        self._ending = self._shortest_ending()  # None if none fits
        self._is_ending = False  # whether the ending is being written

    def mask(self, logits: Tensor) -> None:
        """Set the logits `[V]` of tokens that may not come next to minus infinity, in place."""
        if not self._is_ending:
            allowed = torch.from_numpy(self._allowed()[: len(logits)])
            logits.masked_fill_(~allowed.to(logits.device), -torch.inf)

    def choose(self, token: int) -> int:
        """Add the sampled token to the answer, or another token if the answer could no longer end within its limit.

        Returns:
            The token that was added.
        """
        self._num_left -= 1
        self._search_steps = min(self._search_steps + _SEARCH_STEPS_PER_TOKEN, _MAX_SEARCH_STEPS)
        if token in self._tokens.stop_ids and not self._is_ending:
            return token
        if not self._is_ending and self._add(token):
            return token
        self._is_ending = True
        if not self._ending:
            return self._tokens.stop_ids[0]
        return self._ending.pop(0)

    def _add(self, token: int) -> bool:
        """Add a token unless the answer would lose every ending that fits; return whether it was added."""
        self._matcher.consume_token(token)
        ending = self._ending_after(token)
        if ending is None and self._ending is not None:
            return False
        self._ending = ending
        return True

    def _ending_after(self, token: int) -> list[int] | None:
        if self._ending is not None:
            if self._ending[:1] == [token]:
                return self._ending[1:]
            for start in range(min(_KEPT_PARTS, len(self._ending))):
                checked = [*self._ending[start:], self._tokens.stop_ids[0]]
                if len(checked) <= self._num_left and self._matcher.validate_tokens(checked) == len(checked):
                    return self._ending[start:]  # for example inside a string, where the same ending still works
        return self._shortest_ending()

    def _shortest_ending(self) -> list[int] | None:
        """Find a short ending that leaves room for a token that ends the answer; None if none is found."""
        matcher = self._matcher.deep_copy()
        ending: list[int] = []
        while len(ending) < min(self._num_left, _MAX_ENDING_TOKENS):
            if matcher.is_accepting():
                return ending
            if not self._search_steps:
                return None
            self._search_steps -= 1
            step = matcher.compute_ff_tokens() or self._tokens.ending_token(_bits(matcher))
            if not step or not matcher.consume_tokens(step):
                return None
            ending += step
        return None

    def _allowed(self) -> np.ndarray:
        """The tokens that may come next, as booleans."""
        if not (self._matcher.is_stopped() or self._matcher.is_error()):
            return _bits(self._matcher)
        allowed = np.zeros(self._tokens.tokens.vocab_size, dtype=bool)
        allowed[self._tokens.stop_ids] = True
        return allowed


def _bits(matcher: LLMatcher) -> np.ndarray:
    packed: Sequence[int] = matcher.compute_bitmask()
    return np.unpackbits(np.frombuffer(packed, dtype=np.uint8), bitorder="little").astype(bool)


class ValueChecker:
    """Tells which JSON values are complete answers under a constraint. Its grammar is compiled once."""

    def __init__(self, constraint: Constraint, tokens: GrammarTokens) -> None:
        """Compile the grammar.

        Args:
            constraint: the form of the answer.
            tokens: the base's tokens.
        """
        self._matcher = LLMatcher(tokens.tokens, constraint.grammar)
        self._tokens = tokens.tokens

    def accepts(self, value: object) -> bool:
        """Return whether a JSON value is a complete answer."""
        matcher = self._matcher.deep_copy()
        written = self._tokens.tokenize_str(as_json(value))
        fits = matcher.validate_tokens(written) == len(written)
        return fits and matcher.consume_tokens(written) and matcher.is_accepting()
