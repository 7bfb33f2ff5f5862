"""Words of documents as values of JSON."""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lorify.answering.json_fields.fields import find_fields
from lorify.answering.json_fields.values import read_date, read_number, read_value


def value(text: str, **schema: object) -> object:
    (field,) = find_fields({"type": "object", "properties": {"x": schema}})
    return read_value(field, text)


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("2,400 dollars", 2400),
        ("$129", 129),
        ("EUR 12.50 a month", 12.5),
        ("about 1.2 litres", 1.2),
        ("forty boxes of wrapping paper", 40),
        ("two hundred and fifty", 250),
        ("forty-two", 42),
        ("3 million", 3_000_000),
        ("three dozen", 36),
        ("-4 degrees", -4),
        ("12,5 %", 12.5),
        ("1 234 567", 1_234_567),
        ("by 30 %", 30),
    ],
)
def test_a_number_is_read_with_what_stands_around_it(text: str, number: float):
    assert read_number(text) == number


@pytest.mark.parametrize(
    "text", ["14 March 2025", "at 19:00", "20 to 30", "5-7 days", "on the second floor", "from 9 until 17", "2031-77"]
)
def test_dates_times_ranges_and_several_numbers_are_no_number(text: str):
    assert read_number(text) is None


@given(st.integers(-(10**12), 10**12))
def test_every_whole_number_is_read_as_itself(number: int):
    assert read_number(f"{number:,} euros") == number


def test_a_year_is_read_from_its_date():
    assert read_number("on 14 March 2025", is_year=True) == 2025
    assert read_number("1911 to 1947", is_year=True) is None


@given(st.dates(min_value=date(1000, 1, 1)), st.sampled_from(["%-d %B %Y", "%B %-d, %Y", "%Y-%m-%d"]))
def test_every_date_with_its_year_is_read_as_iso_8601(day: date, form: str):
    assert read_date(f"on {day.strftime(form)}, at noon") == day.isoformat()


@pytest.mark.parametrize("text", ["14 March", "next week", "03/04/2025", "1 May 2020 to 3 May 2020", "40 Marks 2020"])
def test_a_date_without_its_year_or_of_two_meanings_is_not_guessed(text: str):
    assert read_date(text) is None


def test_values_have_the_type_of_their_field():
    assert value("30 days", type="integer") == 30
    assert value("1.5 days", type="integer") is None
    assert value("No", type="boolean") is False
    assert value("heating", type="boolean") is None
    assert value("was approved", enum=["approved", "rejected"]) == "approved"
    assert value("approved or rejected", enum=["approved", "rejected"]) is None
    assert value("write to ada@mill.org.", type="string", format="email") == "ada@mill.org"
    assert value("Ada", type="string", format="email") is None
    assert value("Ada, Ben and Cy", type="array", items={"type": "string"}) == ["Ada", "Ben", "Cy"]
    assert value("4, 5 and 6", type="array", items={"type": "integer"}) == [4, 5, 6]
    assert value("four, some", type="array", items={"type": "integer"}) is None


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("max_temperature", "2 to 110 °C", 110),
        ("minimum_load", "from 5 kg to 20 kg", 5),
        ("temperature", "2 to 110 °C", None),
        ("min_or_max", "2 to 110 °C", None),
    ],
)
def test_the_end_of_a_range_that_a_field_names_is_its_value(name, text, expected):
    (field,) = find_fields({"type": "object", "properties": {name: {"type": "integer"}}})
    assert read_value(field, text) == expected
