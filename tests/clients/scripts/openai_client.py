"""The openai package: five turns, streamed, with the server's own messages sent back; JSON, functions, responses."""

import json
import sys
from typing import Literal

from openai import OpenAI
from pydantic import BaseModel


class Visit(BaseModel):
    place: str
    day: Literal["Monday", "Friday"]
    guests: int


TOOL = {
    "type": "function",
    "function": {
        "name": "weather",
        "description": "The weather in a city.",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string", "enum": ["Oslo", "Rome"]}},
            "required": ["city"],
            "additionalProperties": False,
        },
        "strict": True,
    },
}


def main(url: str, model: str, questions: list[str]) -> None:
    client = OpenAI(base_url=url, api_key="none", max_retries=0)
    messages: list = [{"role": "system", "content": "Be brief."}]
    answers = []
    for number, question in enumerate(questions):
        messages.append({"role": "user", "content": question})
        request = {"model": model, "messages": messages, "max_tokens": 16}
        chunks = client.chat.completions.create(**request, stream=True)
        streamed = "".join(chunk.choices[0].delta.content or "" for chunk in chunks)
        message = client.chat.completions.create(**request).choices[0].message
        assert streamed == message.content, (streamed, message.content)
        answers.append(streamed)
        messages.append([message, message.model_dump(), message.to_dict()][number % 3])
    parsed = client.chat.completions.parse(model=model, messages=messages, response_format=Visit, max_tokens=80)
    messages += [parsed.choices[0].message, {"role": "user", "content": "And the weather?"}]
    called = client.chat.completions.parse(
        model=model, messages=messages, tools=[TOOL], tool_choice="required", max_tokens=80
    )
    message = called.choices[0].message
    (call,) = message.tool_calls
    messages += [message, {"role": "tool", "tool_call_id": call.id, "content": "rain"}]
    final = client.chat.completions.create(model=model, messages=messages, tools=[TOOL], max_tokens=16)
    report = {
        "answers": answers,
        "structured": parsed.choices[0].message.parsed.model_dump(),
        "called": [call.function.name, json.loads(call.function.arguments)],
        "after_call": final.choices[0].finish_reason,
    }
    print(json.dumps(report))


main(sys.argv[1], sys.argv[2], sys.argv[3:])
