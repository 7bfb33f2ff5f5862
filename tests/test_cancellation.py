from concurrent.futures import CancelledError

import pytest

from lorify.cancellation import CancelToken


def test_a_new_token_lets_work_go_on():
    token = CancelToken()
    token.raise_if_cancelled()
    assert not token.is_cancelled


def test_a_cancelled_token_raises_at_every_check():
    token = CancelToken()
    token.cancel()
    assert token.is_cancelled
    for _ in range(2):
        with pytest.raises(CancelledError):
            token.raise_if_cancelled()


def test_the_first_error_given_is_the_one_raised():
    token = CancelToken()
    token.cancel(TimeoutError("too late"))
    token.cancel(ValueError("another reason"))
    with pytest.raises(TimeoutError, match="too late"):
        token.raise_if_cancelled()
