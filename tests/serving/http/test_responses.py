"""`/v1/responses` through the openai package; a tiny random model answers."""

import json
from collections.abc import Iterator

import pytest
from openai import BadRequestError, OpenAI
from pydantic import BaseModel
from serving.running import BASE, RunningServer, serving

# openai's own, when an item with a parsed model is sent back
pytestmark = pytest.mark.filterwarnings("ignore:Pydantic serializer warnings")

TOOL = {
    "type": "function",
    "name": "weather",
    "parameters": {"type": "object", "properties": {"city": {"enum": ["Oslo", "Rome"]}}, "required": ["city"]},
    "strict": True,
}


class Visit(BaseModel):
    place: str
    guests: int


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    with serving(tmp_path_factory.mktemp("responses")) as running:
        yield running


@pytest.fixture(scope="module")
def client(server: RunningServer) -> Iterator[OpenAI]:
    with server.client() as opened:
        yield opened


def test_the_answer_is_that_of_a_chat(client: OpenAI) -> None:
    response = client.responses.create(model=BASE, input="Hi", instructions="Be brief.", max_output_tokens=8)
    messages = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi"}]
    chat = client.chat.completions.create(model=BASE, messages=messages, max_tokens=8)
    assert response.output_text == chat.choices[0].message.content
    assert (response.status, response.incomplete_details.reason) == ("incomplete", "max_output_tokens")
    assert response.usage.input_tokens == chat.usage.prompt_tokens
    assert response.usage.output_tokens == chat.usage.completion_tokens


def test_an_answer_ends_where_the_window_does(server: RunningServer, client: OpenAI) -> None:
    window = server.service.model.base.window_tokens
    prompt = [5] * (window - 6)
    for given in (None, 6, 7, 10_000):
        completion = client.completions.create(
            model=BASE,
            prompt=prompt,
            max_tokens=given,
            logit_bias={str(i): -100 for i in server.service.model.base.stop_ids},
        )
        assert completion.choices[0].finish_reason == "length"
        assert completion.usage is not None and completion.usage.completion_tokens == 6
    messages = [{"role": "user", "content": "Hi"}]
    chat = client.chat.completions.create(model=BASE, messages=messages, max_tokens=10_000)
    assert chat.usage is not None and chat.usage.total_tokens <= window
    response = client.responses.create(model=BASE, input="Hi", max_output_tokens=10_000)
    assert response.usage is not None and response.usage.total_tokens <= window
    with pytest.raises(BadRequestError, match="no room for an answer") as refused:
        client.completions.create(model=BASE, prompt=[5] * window, max_tokens=1)
    assert refused.value.code == "context_length_exceeded"


def test_a_conversation_goes_on_with_the_servers_items(client: OpenAI) -> None:
    items: list = [{"role": "user", "content": "Hi"}]
    for _ in range(3):
        response = client.responses.create(model=BASE, input=items, max_output_tokens=4)
        items += [*response.output, {"role": "user", "content": [{"type": "input_text", "text": "And?"}]}]
    messages = [
        {"role": item["role"], "content": "And?" if isinstance(item["content"], list) else item["content"]}
        if isinstance(item, dict)
        else {"role": "assistant", "content": item.content[0].text}
        for item in items[:-2]
    ]
    chat = client.chat.completions.create(model=BASE, messages=messages, max_tokens=4)
    assert chat.choices[0].message.content == response.output_text


def test_a_stream_has_the_same_text_and_ends_completely(client: OpenAI) -> None:
    whole = client.responses.create(model=BASE, input="Hi", max_output_tokens=8)
    events = list(client.responses.create(model=BASE, input="Hi", max_output_tokens=8, stream=True))
    kinds = [event.type for event in events]
    assert kinds[:4] == [
        "response.created",
        "response.in_progress",
        "response.output_item.added",
        "response.content_part.added",
    ]
    assert kinds[-4:] == [
        "response.output_text.done",
        "response.content_part.done",
        "response.output_item.done",
        "response.incomplete",
    ]
    assert "".join(event.delta for event in events if event.type == "response.output_text.delta") == whole.output_text
    assert [event.sequence_number for event in events] == [*range(len(events))]
    assert events[-1].response.usage == whole.usage


def test_a_pydantic_model_is_filled_in(client: OpenAI) -> None:
    response = client.responses.parse(model=BASE, input="Hi", text_format=Visit, max_output_tokens=90)
    assert isinstance(response.output_parsed, Visit) and response.status == "completed"
    with client.responses.stream(model=BASE, input="Hi", text_format=Visit, max_output_tokens=90) as stream:
        final = stream.get_final_response()
    assert final.output_parsed == response.output_parsed


def test_a_function_is_called_and_its_result_sent_back(client: OpenAI) -> None:
    asked = {"model": BASE, "tools": [TOOL], "tool_choice": "required", "max_output_tokens": 90}
    response = client.responses.create(input="Hi", **asked)
    (call,) = response.output
    assert (call.type, call.name) == ("function_call", "weather")
    assert json.loads(call.arguments)["city"] in ("Oslo", "Rome")
    with client.responses.stream(input="Hi", **asked) as stream:
        (streamed,) = stream.get_final_response().output
    assert streamed.arguments == call.arguments
    result = {"type": "function_call_output", "call_id": call.call_id, "output": "rain"}
    history = [{"role": "user", "content": "Hi"}, call, result]
    assert client.responses.create(model=BASE, input=history, tools=[TOOL], max_output_tokens=2).output


@pytest.mark.parametrize(
    ("options", "param"),
    [
        ({"previous_response_id": "resp_1"}, "previous_response_id"),
        ({"background": True}, "background"),
        ({"tools": [{"type": "web_search"}]}, "tools.0"),
        ({"input": [{"role": "user", "content": [{"type": "input_image", "image_url": "x"}]}]}, "input.0.content"),
        ({"input": [{"type": "computer_call"}]}, "input.0.type"),
        ({"input": [{"content": "a"}]}, "input.0"),
        ({"input": []}, "input"),
    ],
)
def test_what_is_not_supported_is_refused_by_name(client: OpenAI, options, param: str) -> None:
    with pytest.raises(BadRequestError) as caught:
        client.responses.create(**{"model": BASE, "input": "Hi", **options})
    assert caught.value.param == param


@pytest.mark.parametrize("value", [None, "", [], {}], ids=str)
def test_fields_that_ask_for_nothing_are_accepted(client: OpenAI, value) -> None:
    from openai.types.responses.response_create_params import ResponseCreateParamsBase

    names = {*ResponseCreateParamsBase.__annotations__} - {"model", "input", "max_output_tokens"}
    body = {"model": BASE, "input": "Hi", "max_output_tokens": 1, **dict.fromkeys(names, value)}
    assert client.post("/responses", cast_to=object, body=body)["object"] == "response"
