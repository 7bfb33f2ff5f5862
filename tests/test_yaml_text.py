"""Hostile YAML ends in one kind of error, and no tag creates anything."""

import pytest
import yaml

from lorify.yaml_text import parse_yaml

LOADERS = [yaml.SafeLoader, getattr(yaml, "CSafeLoader", yaml.SafeLoader)]


@pytest.mark.parametrize("loader", LOADERS)
@pytest.mark.parametrize(
    "text",
    [
        "a: [",
        "[" * 100_000,
        "{a: " * 5000,
        "- " * 5000,
        "\0",
        "1" * 10_000,
        "day: 2026-13-45",
        "a: !!timestamp never",
        "a: !!bool maybe",
        'a: !!int ""',
        'a: !!float ""',
        "a: !!binary é",
        "{<<: 1}",
        "!!python/object/apply:os.getcwd []",
        "!!python/name:os.getcwd",
        "!local {a: 1}",
    ],
)
def test_damaged_and_hostile_yaml_has_one_kind_of_error(text, loader):
    with pytest.raises(yaml.YAMLError) as refused:
        parse_yaml(text, loader)
    assert str(refused.value).strip()


def test_plain_values_are_read():
    assert parse_yaml("a: [1, 2.5, no, text]\nb: 2026-01-02") == {
        "a": [1, 2.5, False, "text"],
        "b": yaml.safe_load("2026-01-02"),
    }
