"""Answers in JSON, calls of functions, and their streams, through the openai package; a tiny random model answers."""

import json
from collections.abc import Iterator
from typing import Literal

import jsonschema_rs
import pytest
from openai import BadRequestError, OpenAI
from pydantic import BaseModel
from serving.running import BASE, RunningServer, serving

# openai's own, when a message with a parsed model is sent back
pytestmark = pytest.mark.filterwarnings("ignore:Pydantic serializer warnings")

MESSAGES = [{"role": "user", "content": "Who?"}]


class Person(BaseModel):
    name: str
    age: int
    kind: Literal["red", "green"]


class Team(BaseModel):
    lead: Person
    members: list[Person]


CITY = {"enum": ["Oslo", "Rome"]}
WEATHER = {"type": "object", "properties": {"city": {"$ref": "#/$defs/c"}}, "required": ["city"], "$defs": {"c": CITY}}
TOOLS = [  # short, as the tiny base has a token for each byte and a window of 512
    {"type": "function", "function": {"name": "weather", "parameters": WEATHER}},
    {"type": "function", "function": {"name": "now", "description": "Time."}},
]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    with serving(tmp_path_factory.mktemp("structured")) as running:
        yield running


@pytest.fixture(scope="module")
def client(server: RunningServer) -> Iterator[OpenAI]:
    with server.client() as opened:
        yield opened


def create(client: OpenAI, **options):
    return client.chat.completions.create(model=BASE, messages=MESSAGES, **{"max_tokens": 90, **options})


def test_a_pydantic_model_is_filled_in(client: OpenAI) -> None:
    for model in (Person, Team):
        answer = client.chat.completions.parse(model=BASE, messages=MESSAGES, max_tokens=250, response_format=model)
        assert isinstance(answer.choices[0].message.parsed, model)
        assert answer.choices[0].finish_reason == "stop"
        history = [*MESSAGES, answer.choices[0].message, *MESSAGES]
        assert client.chat.completions.create(model=BASE, messages=history, max_tokens=1).choices


def test_an_object_is_answered_with_and_without_a_stream(client: OpenAI) -> None:
    whole = create(client, response_format={"type": "json_object"}).choices[0].message.content
    chunks = create(client, response_format={"type": "json_object"}, stream=True)
    assert isinstance(json.loads(whole), dict)
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == whole


def test_answers_of_one_batch_keep_their_schemas_apart(client: OpenAI) -> None:
    schemas = [
        {"type": "integer"},
        {"enum": ["x", "y"]},
        {"type": "array", "items": {"type": "boolean"}, "minItems": 3},
    ]
    streams = [
        create(
            client,
            n=2,
            temperature=1,
            seed=4,
            stream=True,
            response_format={"type": "json_schema", "json_schema": {"name": "s", "schema": schema}},
        )
        for schema in schemas
    ]
    free = create(client, stream=True)
    for schema, chunks in zip(schemas, streams, strict=True):
        texts = ["", ""]
        for chunk in chunks:
            texts[chunk.choices[0].index] += chunk.choices[0].delta.content or ""
        for text in texts:
            jsonschema_rs.validate(schema, json.loads(text))
    assert sum(1 for _ in free) > 1


@pytest.mark.parametrize("choice", ["required", {"type": "function", "function": {"name": "weather"}}])
def test_a_required_call_has_arguments_that_match(client: OpenAI, choice) -> None:
    (answer,) = create(client, tools=TOOLS, tool_choice=choice).choices
    assert answer.finish_reason == "tool_calls"
    (call,) = answer.message.tool_calls
    named = {tool["function"]["name"]: tool["function"].get("parameters", {}) for tool in TOOLS}
    jsonschema_rs.validate(named[call.function.name], json.loads(call.function.arguments))
    if choice != "required":
        assert call.function.name == "weather"
    result = {"role": "tool", "tool_call_id": call.id, "content": "rain"}
    again = client.chat.completions.create(
        model=BASE, messages=[*MESSAGES, answer.message, result], tools=TOOLS, max_tokens=2
    )
    assert again.usage.prompt_tokens > 0


def test_a_streamed_call_is_the_same(client: OpenAI) -> None:
    whole = create(client, tools=TOOLS, tool_choice="required").choices[0].message.tool_calls[0].function
    with client.chat.completions.stream(
        model=BASE, messages=MESSAGES, tools=TOOLS, tool_choice="required", max_tokens=90
    ) as stream:
        (choice,) = stream.get_final_completion().choices
    (call,) = choice.message.tool_calls
    assert choice.finish_reason == "tool_calls"
    assert (call.function.name, call.function.arguments) == (whole.name, whole.arguments)


def test_a_text_is_no_call(server: RunningServer, client: OpenAI) -> None:
    brace = server.service.model.base.encode_text("{")[0]
    for stream in (False, True):
        answer = create(client, tools=TOOLS, max_tokens=10, logit_bias={str(brace): -100}, stream=stream)
        choices = [chunk.choices[0] for chunk in answer] if stream else answer.choices
        content = "".join((c.delta if stream else c.message).content or "" for c in choices)
        assert content and not any((c.delta if stream else c.message).tool_calls for c in choices)


def test_an_automatic_call_is_a_call(server: RunningServer, client: OpenAI) -> None:
    brace = server.service.model.base.encode_text("{")[0]
    for stream in (False, True):
        answer = create(client, tools=TOOLS, logit_bias={str(brace): 100}, stream=stream)
        choices = [chunk.choices[0] for chunk in answer] if stream else answer.choices
        assert choices[-1].finish_reason == "tool_calls"
        assert not any((c.delta if stream else c.message).content for c in choices)


def test_no_tool_is_called_if_none_may_be(client: OpenAI) -> None:
    free = create(client, max_tokens=8).choices[0].message.content
    assert create(client, max_tokens=8, tools=TOOLS, tool_choice="none").choices[0].message.content == free


def schema_format(**fields) -> dict:
    return {"type": "json_schema", "json_schema": {"name": "s", **fields}}


@pytest.mark.parametrize(
    ("options", "param", "message"),
    [
        ({"response_format": schema_format(schema={"type": "foo"})}, "response_format", "foo"),
        ({"response_format": schema_format()}, "response_format.json_schema.schema", "required"),
        ({"tools": [{"type": "function", "function": {"name": "f", "parameters": {"type": "foo"}}}]}, "tools", "foo"),
        ({"tools": [{"type": "web_search"}]}, "tools.0", "'web_search'"),
        ({"tool_choice": "required"}, "tool_choice", "no tools"),
        (
            {"tools": TOOLS, "tool_choice": {"type": "function", "function": {"name": "g"}}},
            "tool_choice",
            "no tool 'g'",
        ),
    ],
)
def test_forms_that_cannot_be_enforced_are_refused(client: OpenAI, options, param: str, message: str) -> None:
    with pytest.raises(BadRequestError, match=message) as caught:
        create(client, **options)
    assert caught.value.param == param


def test_an_adapter_stays_on_in_json(server: RunningServer, client: OpenAI) -> None:
    adapter = client.post("/adapters", cast_to=object, body={"text": "Ada keeps bees. They like clover."})
    answer = client.chat.completions.create(
        model=adapter["model"],
        messages=[{"role": "user", "content": "Who keeps bees?"}],
        max_tokens=80,
        response_format={"type": "json_object"},
        extra_body={"only_if_relevant": False},
    )
    assert answer.adapter_on
    assert isinstance(json.loads(answer.choices[0].message.content), dict)
