"""Tests of JSON written in words."""

import json

from hypothesis import given
from hypothesis import strategies as st

from lorify.contexts.tables.json_rows import settings_in_words

NAMES = st.text(st.characters(codec="ascii", categories=("L", "N")), min_size=1, max_size=8)
VALUES = st.one_of(st.integers(), st.booleans(), NAMES)


def test_objects_become_rows_with_the_names_that_lead_to_them():
    settings = {"title": "Harbour", "cranes": {"Ivy": {"load": "12 t", "crew": ["Ada", "Bo"], "new": True}}}
    text = f"Notes\n{json.dumps(settings, indent=4)}\nThe end [1]."
    assert settings_in_words(text) == (
        "Notes\ntitle: Harbour.\ncranes: Ivy: load: 12 t; crew: Ada, Bo; new: true.\nThe end [1]."
    )


def test_a_list_of_objects_has_a_row_for_each():
    rows = [{"name": "Ivy", "load": "12 t"}, {"name": "Oak", "load": None}]
    assert settings_in_words(json.dumps(rows)) == "name: Ivy; load: 12 t.\nname: Oak; load: none."


def test_what_is_not_json_stays_as_it_is():
    for text in (
        "",
        "{",
        "[a link](to a page) and more of it",
        "{not: json, but: a template}",
        "[1, 2, 3, 4, 5, 6, 7, 8, 9]",
    ):
        assert settings_in_words(text) == text
    for hostile in ("[" * 100_000, "[\n" * 100_000, '{"a": [\n' * 20_000):
        assert settings_in_words(hostile) == hostile


@given(st.dictionaries(NAMES, st.dictionaries(NAMES, VALUES, min_size=1), min_size=1))
def test_every_name_and_value_is_kept(settings):
    text = settings_in_words(json.dumps(settings, indent=2, ensure_ascii=False))
    for name, fields in settings.items():
        assert name in text
        for key, value in fields.items():
            assert key in text and (str(value) in text or str(value).lower() in text)
