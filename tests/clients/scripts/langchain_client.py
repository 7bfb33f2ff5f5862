"""LangChain: five turns, streamed; structured output both ways; functions."""

import json
import sys

from langchain_core.messages import HumanMessage, SystemMessage, ToolMessage
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI
from pydantic import BaseModel


class Visit(BaseModel):
    """A visit."""

    place: str
    guests: int


@tool
def weather(city: str) -> str:
    """Tell the weather in a city."""
    return f"rain in {city}"


def main(url: str, model: str, questions: list[str]) -> None:
    chat = ChatOpenAI(base_url=url, api_key="none", model=model, max_tokens=60, max_retries=0)
    messages: list = [SystemMessage("Be brief.")]
    answers = []
    for question in questions:
        messages.append(HumanMessage(question))
        message = None
        for chunk in chat.stream(messages):
            message = chunk if message is None else message + chunk
        answers.append(message.content)
        messages.append(message)
    structured = [
        chat.with_structured_output(Visit, method=method).invoke(messages)
        for method in ("json_schema", "function_calling")
    ]
    called = chat.bind_tools([weather], tool_choice="required").invoke(messages)
    (call,) = called.tool_calls
    messages += [called, ToolMessage(weather.invoke(call["args"]), tool_call_id=call["id"])]
    final = chat.bind_tools([weather]).invoke(messages)
    report = {
        "answers": answers,
        "structured": [visit.model_dump() for visit in structured],
        "called": [call["name"], call["args"]],
        "after_call": final.response_metadata["finish_reason"],
    }
    print(json.dumps(report))


main(sys.argv[1], sys.argv[2], sys.argv[3:])
