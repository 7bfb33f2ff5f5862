"""LiteLLM: five turns, streamed; JSON and functions."""

import json
import sys

import litellm
from pydantic import BaseModel


class Visit(BaseModel):
    place: str
    guests: int


PARAMETERS = {"type": "object", "properties": {"city": {"enum": ["Oslo", "Rome"]}}, "required": ["city"]}
TOOL = {"type": "function", "function": {"name": "weather", "parameters": PARAMETERS}}


def main(url: str, model: str, questions: list[str]) -> None:
    options = {"model": f"openai/{model}", "api_base": url, "api_key": "none"}
    messages: list = []
    answers = []
    for question in questions:
        messages.append({"role": "user", "content": question})
        chunks = list(litellm.completion(messages=messages, stream=True, max_tokens=16, **options))
        message = litellm.stream_chunk_builder(chunks, messages=messages).choices[0].message
        answers.append(message.content)
        messages.append(message)
    structured = litellm.completion(messages=messages, response_format=Visit, max_tokens=80, **options)
    called = litellm.completion(messages=messages, tools=[TOOL], tool_choice="required", max_tokens=80, **options)
    (call,) = called.choices[0].message.tool_calls
    messages += [called.choices[0].message, {"role": "tool", "tool_call_id": call.id, "content": "rain"}]
    final = litellm.completion(messages=messages, tools=[TOOL], max_tokens=16, **options)
    report = {
        "answers": answers,
        "structured": json.loads(structured.choices[0].message.content),
        "called": [call.function.name, json.loads(call.function.arguments)],
        "after_call": final.choices[0].finish_reason,
    }
    print(json.dumps(report))


main(sys.argv[1], sys.argv[2], sys.argv[3:])
