"""Every field that OpenAI documents, with a value that asks for nothing, and what is refused, by the field's name."""

from collections.abc import Iterator
from typing import get_type_hints

import httpx2
import pytest
from openai import OpenAI
from openai.types.responses.response_create_params import ResponseCreateParamsBase as ResponsesParams
from serving.running import BASE, CHAT, RunningServer, serving

from lorify.serving.settings import ServingSettings

CHATS, COMPLETIONS, RESPONSES = "/v1/chat/completions", "/v1/completions", "/v1/responses"
BODIES = {
    CHATS: CHAT,
    COMPLETIONS: {"model": BASE, "prompt": "a", "max_tokens": 1},
    RESPONSES: {"model": BASE, "input": "a", "max_output_tokens": 1},
}
TURN = {"role": "user", "content": "Hi"}
PARAMETERS = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}
TOOLS = [{"type": "function", "function": {"name": name, "parameters": PARAMETERS}} for name in ("f", "g")]
FLAT_TOOLS = [{"type": "function", "name": name, "parameters": PARAMETERS} for name in ("f", "g")]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    with serving(tmp_path_factory.mktemp("fields"), settings=ServingSettings(default_answer_tokens=2)) as running:
        yield running


@pytest.fixture(scope="module")
def http(server: RunningServer) -> Iterator[httpx2.Client]:
    with httpx2.Client(base_url=server.url, timeout=60) as client:
        yield client


@pytest.fixture
def client(server: RunningServer) -> Iterator[OpenAI]:
    with server.client() as opened:
        yield opened


@pytest.mark.parametrize("value", [None, False, "", [], {}], ids=str)
def test_fields_of_responses_that_ask_for_nothing_are_accepted(http: httpx2.Client, value) -> None:
    names = {*get_type_hints(ResponsesParams)} - {*BODIES[RESPONSES]}
    response = http.post(RESPONSES, json=BODIES[RESPONSES] | dict.fromkeys(names, value))
    assert response.status_code == 200, response.text


@pytest.mark.parametrize(
    ("path", "fields"),
    [
        (CHATS, {"top_logprobs": 0}),
        (CHATS, {"top_logprobs": 0, "logprobs": False}),
        (CHATS, {"stream_options": {"include_usage": None}}),
        (CHATS, {"tools": [{"type": "function", "function": {"name": "f", "parameters": {}, "strict": None}}]}),
        (CHATS, {"tools": TOOLS, "tool_choice": "none", "parallel_tool_calls": False}),
        (CHATS, {"seed": 0, "temperature": 0, "top_p": 1, "service_tier": "default"}),
        (CHATS, {"repetition_penalty": 1.0, "top_k": -1, "best_of": 1, "skip_special_tokens": True}),
        (COMPLETIONS, {"echo": False, "best_of": 1, "suffix": "", "logprobs": None, "n": 1, "stop": ""}),
        (COMPLETIONS, {"repetition_penalty": 1, "min_p": 0, "ignore_eos": False}),
        (RESPONSES, {"background": False, "truncation": "disabled", "store": True, "top_logprobs": 0}),
        (RESPONSES, {"text": {"format": {"type": "text"}, "verbosity": "medium"}, "include": []}),
        (RESPONSES, {"reasoning": {"effort": None, "summary": None}, "stream_options": {"include_obfuscation": False}}),
        (RESPONSES, {"tools": FLAT_TOOLS, "tool_choice": "auto", "parallel_tool_calls": True, "max_tool_calls": None}),
    ],
    ids=str,
)
def test_default_values_are_accepted(http: httpx2.Client, path: str, fields: dict) -> None:
    response = http.post(path, json=BODIES[path] | fields)
    assert response.status_code == 200, response.text


@pytest.mark.parametrize(
    "turn",
    [
        {"reasoning_details": [{"type": "reasoning.text", "text": "x"}], "id": "msg_1"},
        {"provider_specific_fields": {"refusal": None}, "thinking_blocks": [{"thinking": "x"}]},
        {"timestamp": 1764000000, "created_at": "2026-11-28", "cache_control": {"type": "ephemeral"}},
        {"content": None, "tool_calls": [{"id": "1", "function": {"name": "f", "arguments": {"a": 1}}}]},
        {"content": None, "tool_calls": [{"id": "1", "type": "custom", "custom": {"name": "f", "input": "x"}}]},
        {
            "content": None,
            "tool_calls": [{"id": "1", "type": "function", "function": {"name": "f", "arguments": None}}],
        },
    ],
    ids=lambda turn: next(reversed(turn)),
)
def test_turns_that_other_servers_wrote_are_accepted(http: httpx2.Client, turn: dict) -> None:
    answered = {"role": "assistant", "content": "a", **turn}
    response = http.post(CHATS, json=CHAT | {"messages": [TURN, answered, TURN]})
    assert response.status_code == 200, response.text


def test_arguments_are_the_same_as_text_and_as_an_object(http: httpx2.Client) -> None:
    counts = set()
    for arguments in ('{"a": 1}', {"a": 1}):
        call = {"id": "1", "type": "function", "function": {"name": "f", "arguments": arguments}}
        turns = [TURN, {"role": "assistant", "tool_calls": [call]}, TURN]
        counts.add(http.post(CHATS, json=CHAT | {"messages": turns}).json()["usage"]["prompt_tokens"])
    assert len(counts) == 1


@pytest.mark.parametrize("mode", ["required", "auto"])
def test_only_allowed_tools_are_called(client: OpenAI, server: RunningServer, mode: str) -> None:
    brace = server.service.model.base.encode_text("{")[0]
    allowed = {"mode": mode, "tools": [{"type": "function", "function": {"name": "g"}}]}
    answer = client.chat.completions.create(
        model=BASE, messages=[TURN], max_tokens=60, tools=TOOLS, logit_bias={str(brace): 100 if mode == "auto" else 0},
        tool_choice={"type": "allowed_tools", "allowed_tools": allowed},
    )  # fmt: skip
    assert [call.function.name for call in answer.choices[0].message.tool_calls] == ["g"]


def test_only_allowed_tools_are_called_in_responses(client: OpenAI) -> None:
    choice = {"type": "allowed_tools", "mode": "required", "tools": [{"type": "function", "name": "g"}]}
    response = client.responses.create(
        model=BASE, input="Hi", max_output_tokens=60, tools=FLAT_TOOLS, tool_choice=choice
    )
    assert [item.name for item in response.output] == ["g"]


@pytest.mark.parametrize("value", ["password", "path", "binary", "phone", "uri-reference"])
def test_a_format_that_is_not_enforced_is_no_obstacle(http: httpx2.Client, value: str) -> None:
    schema = {"type": "object", "properties": {"format": {"type": "string", "format": value}}, "required": ["format"]}
    form = {"type": "json_schema", "json_schema": {"name": "s", "schema": schema}}
    for body in (
        {"response_format": form},
        {"tools": [{"type": "function", "function": {"name": "f", "parameters": schema}}], "tool_choice": "required"},
    ):
        response = http.post(CHATS, json=CHAT | body)
        assert response.status_code == 200, response.text


def test_an_empty_stop_does_not_end_an_answer(client: OpenAI) -> None:
    whole = client.completions.create(model=BASE, prompt="a", max_tokens=8).choices[0].text
    assert client.completions.create(model=BASE, prompt="a", max_tokens=8, stop=["", "€€"]).choices[0].text == whole


@pytest.mark.parametrize(
    ("path", "body", "param", "message"),
    [
        (CHATS, {"functions": [{"name": "f"}]}, "functions", "send tools instead"),
        (CHATS, {"input": "Hi"}, "input", "/v1/responses"),
        (CHATS, {"max_tokens": 0}, "max_tokens", "expected at least 1"),
        (CHATS, {"max_tokens": "ten"}, "max_tokens", "expected a whole number"),
        (CHATS, {"stream": "maybe"}, "stream", "expected true or false"),
        (CHATS, {"temperature": "hot"}, "temperature", "expected a number"),
        (CHATS, {"user": "a", "seed": 1.5}, "seed", "expected a whole number"),
        (CHATS, {"messages": [{"role": "user", "content": "a", "tool_call_id": 3}]}, "messages.0.tool_call_id", "text"),
        (CHATS, {"response_format": {"type": "xml"}}, "response_format.type", "expected 'text', 'json_object' or"),
        (CHATS, {"tools": TOOLS, "tool_choice": {"type": "custom", "custom": {"name": "x"}}}, "tool_choice", "expect"),
        (
            CHATS,
            {"tools": TOOLS, "tool_choice": {"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": [
                {"type": "function", "function": {"name": "h"}}]}}},
            "tool_choice",
            "no tool 'h'",
        ),
        (CHATS, {"top_logprobs": 2}, "top_logprobs", "requires logprobs"),
        (COMPLETIONS, {"suffix": "x"}, "suffix", "expected no text"),
        (COMPLETIONS, {"best_of": 2}, "best_of", "expected 1"),
        (COMPLETIONS, {"echo": True}, "echo", "expected false"),
        (COMPLETIONS, {"prompt": "a " * 600}, "prompt", "context window"),
        (RESPONSES, {"input": "a " * 600}, "input", "context window"),
        (RESPONSES, {"previous_response_id": "resp_1"}, "previous_response_id", "send the whole chat"),
        (RESPONSES, {"conversation": {"id": "conv_1"}}, "conversation", "send the whole chat"),
        (RESPONSES, {"messages": [TURN]}, "messages", "/v1/chat/completions"),
        (RESPONSES, {"background": True}, "background", "expected false"),
        (RESPONSES, {"input": [{"type": "item_reference", "id": "x"}]}, "input.0.type", "'function_call_output'"),
        (RESPONSES, {"tools": [{"type": "web_search"}]}, "tools.0", "'web_search' is not supported"),
        (
            RESPONSES,
            {"text": {"format": {"type": "json_schema", "name": "s", "schema": {"type": "foo"}}}},
            "text.format",
            "foo",
        ),
    ],
)  # fmt: skip
def test_what_is_refused_is_named(http: httpx2.Client, path: str, body: dict, param: str, message: str) -> None:
    response = http.post(path, json=BODIES[path] | body)
    error = response.json()["error"]
    assert (response.status_code, error["param"]) == (400, param), error
    assert message in error["message"] and "Input should" not in error["message"]


def test_a_pattern_that_cannot_be_enforced_says_why(http: httpx2.Client) -> None:
    schema = {"type": "object", "properties": {"a": {"type": "string", "pattern": "^(?=x)y$"}}}
    form = {"type": "json_schema", "json_schema": {"name": "s", "schema": schema}}
    error = http.post(CHATS, json=CHAT | {"response_format": form}).json()["error"]
    assert "look-ahead" in error["message"]
