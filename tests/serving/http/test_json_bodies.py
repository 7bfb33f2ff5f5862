"""Counting the values of JSON bodies without parsing them."""

import json

import pytest

from lorify.errors import RequestError
from lorify.serving.http.json_bodies import MAX_ITEMS, check_complexity

MEGABYTE = 1 << 20


@pytest.mark.parametrize("offset", range(4))
@pytest.mark.parametrize("piece", ['"', "\\", '\\"', ',:[{"', "word ", "\u65e5", '\\\\"[,'])
def test_what_stands_inside_of_a_long_text_is_no_value(piece: str, offset: int) -> None:
    text = "x" * offset + piece * (3 * MEGABYTE // len(piece))
    for escaped in (True, False):
        body = json.dumps({"text": text, "name": "a", "documents": [1, 2]}, ensure_ascii=escaped).encode()
        check_complexity(body, 10)


@pytest.mark.parametrize("offset", range(4))
@pytest.mark.parametrize("item", ["1,", '"",', '"\\\\",', '"\\"",', "{},", "[],"])
def test_values_behind_a_long_text_are_counted(item: str, offset: int) -> None:
    text = "x" * offset + '\\"' * MEGABYTE
    body = f'{{"text": "{text}", "documents": [{item * MAX_ITEMS}1]}}'.encode()
    with pytest.raises(RequestError, match="items; send less at once"):
        check_complexity(body, MAX_ITEMS)
