"""Fields of JSON schemas, and schemas that are filled."""

import json
from enum import Enum

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, Field
from tiny import tiny_base

from lorify.answering.json_fields.fields import fill_fields, find_fields
from lorify.answering.json_fields.questions import field_questions
from lorify.answering.json_fields.values import read_value
from lorify.base.constrained_decoding import ValueChecker
from lorify.base.constraints import json_constraint


class Address(BaseModel):
    city: str
    zip_code: str | None


class Offer(BaseModel):
    price: float = Field(description="The price of a night.")
    seller: Address
    petsAllowed: bool
    phone: str | None = None
    rooms: list[str] = Field(default_factory=list)
    guests: list[Address] = Field(default_factory=list)


SCHEMA = Offer.model_json_schema()
_TEXT = st.text(st.characters(exclude_categories=("Cc", "Cs")), max_size=20)


@pytest.fixture(scope="module")
def tokens():
    return tiny_base().grammar_tokens


def test_the_fields_of_a_pydantic_model_are_found_with_what_they_allow():
    found = {".".join(field.path): field for field in find_fields(SCHEMA)}
    assert {name: field.kind for name, field in found.items()} == {
        "price": "number",
        "seller.city": "string",
        "seller.zip_code": "string",
        "petsAllowed": "boolean",
        "phone": "string",
        "rooms": "array",
    }
    assert found["seller.zip_code"].may_be_null and not found["seller.zip_code"].may_be_missing
    assert found["phone"].may_be_null and found["phone"].may_be_missing
    assert found["seller.city"].words == "city of the seller"
    assert found["petsAllowed"].words == "pets allowed"


@given(st.integers(0, 10**6) | st.just(12.5), _TEXT, st.booleans(), st.none() | _TEXT)
def test_a_filled_schema_allows_its_values_and_no_others(tokens, price, city, pets, phone):
    filled = fill_fields(
        SCHEMA,
        {("price",): price, ("seller", "city"): city, ("petsAllowed",): pets, ("phone",): phone},
        missing=[("rooms",)],
    )
    answer = {"price": price, "seller": {"city": city, "zip_code": "x"}, "petsAllowed": pets, "phone": phone}
    checker = ValueChecker(json_constraint(filled), tokens)
    assert checker.accepts(answer)
    assert not checker.accepts({**answer, "petsAllowed": not pets})
    assert not checker.accepts({**answer, "rooms": []})
    assert ValueChecker(json_constraint(SCHEMA), tokens).accepts(answer)
    Offer.model_validate_json(json.dumps(answer))


def test_a_list_whose_items_are_defined_elsewhere_is_a_field_with_a_schema_of_its_own(tokens):
    class Size(Enum):
        small = "small"
        large = "large"

    class Order(BaseModel):
        sizes: list[Size]

    (field,) = find_fields(Order.model_json_schema())
    checker = ValueChecker(json_constraint(field.schema), tokens)
    assert checker.accepts(["small", "large"]) and not checker.accepts(["huge"])
    numbers = {"type": "array", "items": {"$ref": "#/$defs/count"}, "$defs": {"count": {"type": "integer"}}}
    (field,) = find_fields(numbers)
    assert read_value(field, "three, 4 and 12") == [3, 4, 12]


def test_a_schema_of_a_single_value_is_a_field():
    (field,) = find_fields({"type": "integer"})
    assert field.path == ()
    assert fill_fields({"type": "integer"}, {(): 7}) == {"const": 7}


def test_schemas_that_refer_to_themselves_end():
    node = {"type": "object", "properties": {"name": {"type": "string"}, "next": {"$ref": "#"}}}
    assert find_fields(node)[0].path == ("name",)


@pytest.mark.parametrize(
    ("name", "schema", "asked", "question"),
    [
        ("petsAllowed", {"type": "boolean"}, "Fill it in.", "Are pets allowed?"),
        ("has_balcony", {"type": "boolean"}, "Fill it in.", "Is there a balcony?"),
        ("is_furnished", {"type": "boolean"}, "Fill it in.", "Is it furnished?"),
        ("start_date", {"type": "string"}, "Fill it in.", "When is the start date?"),
        ("owner", {"type": "string"}, "Fill it in.", "Who is the owner?"),
        ("rooms", {"type": "integer"}, "Fill it in.", "How many rooms are there?"),
        (
            "x",
            {"type": "string", "description": "Name of the landlord."},
            "Fill it in.",
            "What is the name of the landlord?",
        ),
        ("x", {"type": "string", "description": "Who pays?"}, "Fill it in.", "Who pays?"),
        ("price", {"type": "number"}, "What does it cost?", "What does it cost?"),
    ],
)
def test_questions_for_fields_are_made_of_their_names(name: str, schema: dict, asked: str, question: str):
    (field,) = find_fields({"type": "object", "properties": {name: schema}})
    assert question in field_questions(field, asked, is_only=True)


def test_a_filled_object_has_no_other_properties_unless_the_schema_says_so(tokens):
    schema = {"type": "object", "properties": {"years": {"type": "integer"}}, "required": ["years"]}
    filled = json_constraint(fill_fields(schema, {("years",): 5}))
    checker = ValueChecker(filled, tokens)
    assert checker.accepts({"years": 5}) and not checker.accepts({"years": 5, "months": 60})
    opened = json_constraint(fill_fields({**schema, "additionalProperties": True}, {("years",): 5}))
    assert ValueChecker(opened, tokens).accepts({"years": 5, "months": 60})


@pytest.mark.parametrize(
    ("name", "kind", "question"),
    [
        ("sent_on", "string", "When was it sent?"),
        ("liable_for_damage", "boolean", "Is it liable for damage?"),
        ("closed_on_monday", "boolean", "Is it closed on monday?"),
        ("second_cluster_approved", "boolean", "Is the second cluster approved?"),
        ("pets_allowed", "boolean", "Are pets allowed?"),
    ],
)
def test_a_name_becomes_a_question_in_english(name, kind, question):
    (field,) = find_fields({"type": "object", "properties": {name: {"type": kind}}})
    assert field_questions(field, "Extract it.", is_only=False)[0] == question
