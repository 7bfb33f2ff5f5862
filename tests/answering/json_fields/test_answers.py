"""JSON about documents with the shipped weights: what they say is in it, and what they do not say is not invented."""

import json

import pytest
from pydantic import BaseModel, Field

import lorify
from lorify.adapters import Adapter
from lorify.contexts.documents import document_from_text
from lorify.facade import Lorify

FLAT = document_from_text(
    "For rent from 1 September 2026: a bright flat with three rooms on the second floor of Mill Street 18. It measures "
    "74 square metres. The rent is 1,980 euros a month, heating included. Pets are not allowed. Write to "
    "brandt@millstreet.org for a viewing. The flat is let by Ada Brandt.",
    "flat",
)


class Offer(BaseModel):
    rent: int
    start_date: str
    address: str
    pets_allowed: bool
    email: str
    deposit: int | None
    bicycle_cellar: str | None = Field(default=None, description="Where bicycles are kept.")


@pytest.fixture(scope="module")
def model() -> Lorify:
    return lorify.load()


@pytest.fixture(scope="module")
def flat(model: Lorify) -> Adapter:
    return model.internalize(FLAT)


def test_an_instruction_fills_every_field_that_the_document_states(model: Lorify, flat: Adapter):
    answer = model.ask("Extract the offer of the flat.", flat, schema=Offer.model_json_schema())
    offer = Offer.model_validate_json(answer)
    assert (offer.rent, offer.pets_allowed, offer.email) == (1980, False, "brandt@millstreet.org")
    assert offer.start_date.startswith("1 September")
    assert "Mill Street 18" in offer.address
    assert offer.deposit is None
    assert offer.bicycle_cellar is None


@pytest.mark.parametrize(
    ("question", "schema", "value"),
    [
        ("What is the rent of the flat?", {"type": "integer"}, 1980),
        ("When can the flat be rented from?", {"type": "string", "format": "date"}, "2026-09-01"),
        ("Are pets allowed in the flat?", {"type": "boolean"}, False),
        ("How large is the flat?", {"type": "number", "maximum": 100}, 74),
    ],
)
def test_a_question_gives_one_value_of_the_type_of_the_schema(model: Lorify, flat: Adapter, question, schema, value):
    whole = {"type": "object", "properties": {"value": schema}, "required": ["value"], "additionalProperties": False}
    assert json.loads(model.ask(question, flat, schema=whole)) == {"value": value}
    assert json.loads(model.ask(question, flat, schema=schema)) == value


def test_a_chat_is_streamed_with_the_same_values(model: Lorify, flat: Adapter):
    schema = {"type": "object", "properties": {"rent": {"type": "integer"}}, "required": ["rent"]}
    chat = [{"role": "user", "content": "What is the rent of the flat?"}]
    assert json.loads("".join(model.stream(chat, flat, schema=schema)))["rent"] == 1980


def test_without_an_adapter_the_base_writes_the_json(model: Lorify):
    schema = {"type": "object", "properties": {"rent": {"type": "integer"}}, "required": ["rent"]}
    assert isinstance(json.loads(model.ask("What is the rent?", schema=schema, max_new_tokens=20))["rent"], int)


def test_fields_that_the_schema_does_not_name_are_not_written(model: Lorify, flat: Adapter):
    schema = {"type": "object", "properties": {"rent": {"type": "integer"}}, "required": ["rent"]}
    assert json.loads(model.ask("What is the rent of the flat?", flat, schema=schema)) == {"rent": 1980}
