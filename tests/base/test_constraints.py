"""Answers in a given form: valid at every limit, in both decoding paths, whatever is sampled."""

import json

import jsonschema_rs
import pytest
import torch
from llguidance import LLMatcher
from tiny import tiny_base

from lorify.base.constraints import ANY_OBJECT, json_constraint
from lorify.base.decoding.generation import generate_batch, stream_tokens
from lorify.base.decoding.sampling import GenerationOptions
from lorify.errors import SchemaError

PERSON = {
    "type": "object",
    "properties": {
        "name": {"type": "string"},
        "age": {"type": "integer", "minimum": 18},
        "tags": {"type": "array", "items": {"type": "string"}, "minItems": 2},
        "kind": {"enum": ["red", "green"]},
    },
    "required": ["name", "age", "tags", "kind"],
    "additionalProperties": False,
}
SCHEMAS = [
    PERSON,
    ANY_OBJECT,
    {},
    {"type": "number"},
    {"type": "string", "minLength": 10},
    {"type": "array", "items": PERSON, "minItems": 1},
    {"$ref": "#/$defs/node", "$defs": {"node": {"type": "object", "properties": {"next": {"$ref": "#/$defs/node"}}}}},
    {"type": "string", "pattern": "^[0-9]{4}-[0-9]{2}$"},
    {"anyOf": [{"type": "null"}, {"type": "object", "additionalProperties": {"type": "string"}}]},
]


@pytest.fixture(scope="module")
def base():
    return tiny_base()


@pytest.fixture(scope="module")
def slow_base():
    return tiny_base("gemma2")


@pytest.mark.parametrize("schema", SCHEMAS, ids=range(len(SCHEMAS)))
@pytest.mark.parametrize("temperature", [0.0, 2.0])
def test_answers_match_their_schema_at_every_limit(base, schema, temperature):
    for max_new_tokens in (90, 140):
        options = GenerationOptions(max_new_tokens, temperature=temperature, seed=3, constraint=json_constraint(schema))
        for ids in generate_batch(base, [[5, 6, 7], [8, 9]], options, lora=None, stop_ids=base.stop_ids):
            jsonschema_rs.validate(schema, json.loads(base.decode_text(ids)))
            assert len(ids) < max_new_tokens  # the end of the turn fits too


def test_a_base_without_fast_decoding_is_constrained_too(slow_base):
    options = GenerationOptions(100, temperature=1.0, seed=1, constraint=json_constraint(PERSON))
    tokens = stream_tokens(slow_base, [5, 6, 7], options, lora=None, stop_ids=slow_base.stop_ids)
    jsonschema_rs.validate(PERSON, json.loads(slow_base.decode_text(list(tokens))))


MANY_FIELDS = {
    "type": "object",
    "properties": {f"f{i}": {"type": ["string", "integer"][i % 2]} for i in range(40)},
    "required": [f"f{i}" for i in range(40)],
    "additionalProperties": False,
}


@pytest.mark.parametrize("temperature", [0.0, 1.0, 2.0])
def test_a_large_form_is_completed(base, temperature):
    options = GenerationOptions(450, temperature=temperature, seed=5, constraint=json_constraint(MANY_FIELDS))
    (ids,) = generate_batch(base, [[5, 6, 7]], options, lora=None, stop_ids=base.stop_ids)
    jsonschema_rs.validate(MANY_FIELDS, json.loads(base.decode_text(ids)))


def test_a_form_that_fits_no_limit_takes_a_bounded_time_a_token(base, monkeypatch):
    """Others in the batch wait while an ending is searched for; a search step asks for forced tokens once."""

    class Counting:
        num_steps = 0

        def __init__(self, *options, matcher=None):
            self._matcher = matcher or LLMatcher(*options)

        def deep_copy(self):
            return Counting(matcher=self._matcher.deep_copy())

        def __getattr__(self, name):
            Counting.num_steps += name == "compute_ff_tokens"
            return getattr(self._matcher, name)

    monkeypatch.setattr("lorify.base.constrained_decoding.LLMatcher", Counting)
    endless = {"type": "array", "minItems": 5000, "items": {"type": "integer"}}
    options = GenerationOptions(200, temperature=2.0, seed=1, constraint=json_constraint(endless))
    generate_batch(base, [[5, 6, 7]], options, lora=None, stop_ids=base.stop_ids)
    assert 0 < Counting.num_steps < 5000, "some hundred to begin with and some for each token, not 200 for each"


def test_a_limit_that_no_answer_fits_cuts_it(base):
    options = GenerationOptions(5, constraint=json_constraint(PERSON))
    (ids,) = generate_batch(base, [[5, 6, 7]], options, lora=None, stop_ids=base.stop_ids)
    assert base.decode_text(ids) == '{"nam'


def test_rows_with_biases_and_penalties_stay_valid(base):
    quote = base.encode_text('"')[0]
    options = GenerationOptions(
        90,
        presence_penalty=2.0,
        frequency_penalty=2.0,
        logit_bias=((quote, 100.0), (base.encode_text("x")[0], 100.0)),
        constraint=json_constraint(PERSON),
    )
    (ids,) = generate_batch(base, [[5, 6, 7]], options, lora=None, stop_ids=base.stop_ids)
    jsonschema_rs.validate(PERSON, json.loads(base.decode_text(ids)))


def test_more_logits_than_tokens_are_masked():
    base = tiny_base(vocab_size=300)  # the tokenizer has fewer
    torch.manual_seed(0)
    options = GenerationOptions(60, temperature=2.0, seed=0, constraint=json_constraint({"type": "string"}))
    (ids,) = generate_batch(base, [[5, 6, 7]], options, lora=None, stop_ids=base.stop_ids)
    assert isinstance(json.loads(base.decode_text(ids)), str)


@pytest.mark.parametrize(
    ("schema", "message"),
    [
        ({"type": "foo"}, "foo"),
        ({"type": "array", "uniqueItems": True}, "uniqueItems"),
        ({"not": {}}, "not"),
        ([1], "not list"),
        ({"const": float("nan")}, "not valid JSON"),
        ({"const": {1}}, "not valid JSON"),
        ({"$ref": "#/$defs/missing"}, "missing"),
        ({"type": "string", "pattern": "("}, "regex"),
    ],
)
def test_a_schema_that_cannot_be_enforced_is_refused(schema, message):
    with pytest.raises(SchemaError, match=message) as caught:
        json_constraint(schema)
    assert "\n" not in str(caught.value)
