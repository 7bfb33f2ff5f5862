"""What clients of OpenAI's API send: their own messages back, fields that ask for nothing, parts, tools' turns."""

from collections.abc import Iterator
from typing import get_type_hints

import httpx2
import pytest
from openai import OpenAI
from openai.types.chat.completion_create_params import CompletionCreateParamsBase as ChatParams
from openai.types.completion_create_params import CompletionCreateParamsBase as CompletionParams
from serving.running import BASE, CHAT, RunningServer, ask, serving

from lorify.serving.settings import ServingSettings

TURN = {"role": "user", "content": "Hi"}
CALL = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": '{"a": 1}'}}
RESULT = {"role": "tool", "tool_call_id": "c1", "content": "42"}
TEXT = {"type": "text", "text": "42"}
IMAGE = {"type": "image_url", "image_url": {"url": "http://x/y.png"}}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    settings = ServingSettings(default_answer_tokens=2)
    with serving(tmp_path_factory.mktemp("requests"), settings=settings) as running, HTTP:
        yield running


@pytest.fixture
def client(server: RunningServer) -> Iterator[OpenAI]:
    with server.client() as opened:
        yield opened


HTTP = httpx2.Client(timeout=60)  # a client each would take longer than its request


def post(server: RunningServer, body, path: str = "/v1/chat/completions") -> httpx2.Response:
    return HTTP.post(f"{server.url}{path}", json=body)


@pytest.mark.parametrize("convert", [lambda m: m, lambda m: m.model_dump(), lambda m: m.to_dict()])
def test_a_message_of_the_server_can_be_sent_back(client: OpenAI, convert) -> None:
    messages = [TURN]
    for _ in range(3):
        messages.append(convert(ask(client, max_tokens=2).choices[0].message))
        messages.append(TURN)
        answer = client.chat.completions.create(model=BASE, messages=messages, max_tokens=2)
        assert answer.choices[0].finish_reason == "length"


@pytest.mark.parametrize("value", [None, False, "", [], {}], ids=str)
def test_fields_of_chats_that_ask_for_nothing_are_accepted(server: RunningServer, value) -> None:
    names = {*get_type_hints(ChatParams), "refusal", "top_k"} - {*CHAT}
    response = post(server, CHAT | dict.fromkeys(names, value))
    assert response.status_code == 200, response.text


@pytest.mark.parametrize("value", [None, False, "", [], {}], ids=str)
def test_fields_of_completions_that_ask_for_nothing_are_accepted(server: RunningServer, value) -> None:
    names = {*get_type_hints(CompletionParams)} - {"prompt", "model", "max_tokens"}
    body = {"model": BASE, "prompt": "a", "max_tokens": 1}
    response = post(server, body | dict.fromkeys(names, value), "/v1/completions")
    assert response.status_code == 200, response.text


@pytest.mark.parametrize(
    "fields",
    [
        {"tool_choice": "none"},
        {"tool_choice": "auto", "parallel_tool_calls": True},
        {"modalities": ["text"]},
        {"response_format": {"type": "text"}},
        {"service_tier": "auto", "store": False, "verbosity": "medium", "reasoning_effort": "none"},
        {"logit_bias": {}, "presence_penalty": 0, "frequency_penalty": 0.0, "n": 1, "top_p": 1},
        {"stop": [], "stream": False, "stream_options": None, "metadata": {"a": "b"}, "user": "ann"},
        {"prediction": {"type": "content", "content": "a"}, "safety_identifier": "x", "prompt_cache_key": "y"},
        {"function_call": "auto", "functions": []},
    ],
    ids=lambda fields: next(iter(fields)),
)
def test_default_values_and_hints_are_accepted(server: RunningServer, fields: dict) -> None:
    response = post(server, CHAT | fields)
    assert response.status_code == 200, response.text


@pytest.mark.parametrize(
    "history",
    [
        [{"role": "assistant", "content": None, "tool_calls": [CALL]}, RESULT],
        [{"role": "assistant", "tool_calls": [CALL | {"index": 0}]}, RESULT | {"content": [TEXT]}],
        [{"role": "assistant", "function_call": CALL["function"]}, {"role": "function", "name": "f", "content": "42"}],
        [{"role": "assistant", "content": "a", "tool_calls": [], "audio": None, "annotations": [], "refusal": None}],
        [{"role": "assistant", "content": None, "refusal": "I cannot."}],
        [{"role": "assistant", "content": [{"type": "refusal", "refusal": "I cannot."}]}],
        [{"role": "developer", "content": "Be brief.", "name": "x"}, {"role": "system", "content": ""}],
        [{"role": "user", "content": [], "name": "ann"}],
    ],
)
def test_turns_of_other_clients_are_accepted(server: RunningServer, history) -> None:
    response = post(server, CHAT | {"messages": [TURN, *history, TURN]})
    assert response.status_code == 200, response.text


def test_parts_are_put_on_lines_of_their_own(server: RunningServer) -> None:
    def count(content) -> int:
        usage = post(server, CHAT | {"messages": [{"role": "user", "content": content}]}).json()["usage"]
        return usage["prompt_tokens"]

    parts = [{"type": "text", "text": text} for text in ("first", "", "second")]
    assert count(parts) == count("first\nsecond")


def test_a_call_and_its_result_are_in_the_prompt(server: RunningServer) -> None:
    call = {"role": "assistant", "content": None, "tool_calls": [CALL]}
    written = {"role": "assistant", "content": '{"name": "f", "arguments": {"a": 1}}'}
    counts = []
    for turns in ([call, {"role": "tool", "content": "42"}], [written, {"role": "user", "content": "42"}]):
        counts.append(post(server, CHAT | {"messages": [TURN, *turns]}).json()["usage"]["prompt_tokens"])
    assert counts[0] == counts[1]


@pytest.mark.parametrize(
    ("body", "param", "message"),
    [
        ({"audio": {"voice": "x"}}, "audio", "not supported"),
        ({"functions": [{"name": "f"}]}, "functions", "not supported"),
        ({"web_search_options": {"a": 1}}, "web_search_options", "not supported"),
        ({"modalities": ["text", "audio"]}, "modalities.1", "'text'"),
        ({"stop": {"a": 1}}, "stop", "expected a text or a list of texts"),
        ({"tool_choice": "maybe"}, "tool_choice", "expected none, auto, required"),
        ({"response_format": {"type": "xml"}}, "response_format.type", "json_schema"),
        ({"response_format": {"type": "json_schema"}}, "response_format", "json_schema"),
        ({"logit_bias": {"x": 1}}, "logit_bias", "vocabulary"),
        ({"logit_bias": {"99999": 1}}, "logit_bias", "vocabulary"),
        ({"presence_penalty": 3}, "presence_penalty", "at most 2"),
        ({"messages": [{"role": "user"}]}, "messages.0", "content is missing"),
        ({"messages": [{"role": "robot", "content": "a"}]}, "messages.0.role", "'user'"),
        ({"messages": [{"role": "user", "content": 3}]}, "messages.0.content", "expected a text"),
        ({"messages": [{"role": "user", "content": [IMAGE]}]}, "messages.0.content", "'image_url'"),
        ({"messages": [{"role": "user", "content": ["a"]}]}, "messages.0.content", "not a text part"),
        ({"messages": [TURN, {"role": "assistant", "audio": {"id": "x"}}]}, "messages.1.audio", "not supported"),
        ({"messages": "Hi"}, "messages", "expected a list"),
        ({"messages": None}, "messages", "required"),
        ({"messages": ["Hi"]}, "messages.0", "expected an object"),
    ],
)
def test_a_problem_is_reported_once_with_its_field_and_without_internals(
    server: RunningServer, body, param: str, message: str
) -> None:
    response = post(server, CHAT | body)
    error = response.json()["error"]
    assert (response.status_code, error["param"]) == (400, param)
    assert message in error["message"]
    assert error["message"].count(";") <= 1
    assert not any(word in error["message"] for word in ("tuple", "Extra inputs", "valid dictionary", "BaseModel"))


@pytest.mark.parametrize("prompt", [3, {"a": 1}, [["a"]], [1, "a"]])
def test_a_prompt_of_a_wrong_type_is_one_problem(server: RunningServer, prompt) -> None:
    error = post(server, {"model": BASE, "prompt": prompt}, "/v1/completions").json()["error"]
    assert error["param"] == "prompt"
    assert error["message"] == "prompt: expected a text or a list of token ids, or a list of several"


def test_a_bias_decides_the_token(server: RunningServer, client: OpenAI) -> None:
    token = server.service.model.base.encode_text("q")[0]
    for stream in (False, True):
        answer = client.completions.create(
            model=BASE, prompt="a", max_tokens=3, logit_bias={str(token): 100}, stream=stream
        )
        text = "".join(chunk.choices[0].text for chunk in answer) if stream else answer.choices[0].text
        assert text == "qqq"


def test_penalties_make_tokens_differ(server: RunningServer, client: OpenAI) -> None:
    token = server.service.model.base.encode_text("q")[0]
    for penalty in ("presence_penalty", "frequency_penalty"):
        answer = client.completions.create(
            model=BASE, prompt="a", max_tokens=8, logit_bias={str(token): 1.99}, extra_body={penalty: 2}
        )
        assert answer.choices[0].text.count("q") < 8


@pytest.mark.parametrize("field", ["file", "files", "file[]", "document"])
def test_an_upload_may_have_other_fields(server: RunningServer, field: str) -> None:
    response = HTTP.post(
        f"{server.url}/v1/adapters",
        files={field: ("mill.txt", b"The mill opens at nine.")},
        data={"purpose": "assistants", "user": "ann"},
    )
    assert response.status_code == 201, response.text
    assert response.json()["documents"][0]["name"] == "mill.txt"


def test_a_form_without_a_file_is_refused(server: RunningServer) -> None:
    response = HTTP.post(f"{server.url}/v1/adapters", data={"a": "b"}, files={"purpose": (None, "x")})
    assert response.status_code == 400
    assert response.json()["error"]["param"] == "file"
