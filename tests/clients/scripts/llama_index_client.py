"""LlamaIndex: five turns, streamed; a completion; structured output; functions."""

import json
import sys

from llama_index.core.llms import ChatMessage
from llama_index.core.tools import FunctionTool
from llama_index.llms.openai_like import OpenAILike
from pydantic import BaseModel


class Visit(BaseModel):
    """A visit."""

    place: str
    guests: int


def weather(city: str) -> str:
    """Tell the weather in a city."""
    return f"rain in {city}"


def main(url: str, model: str, questions: list[str]) -> None:
    options = {"model": model, "api_base": url, "api_key": "none", "context_window": 8192, "max_retries": 0}
    llm = OpenAILike(**options, is_chat_model=True, is_function_calling_model=True, max_tokens=60)
    messages = [ChatMessage(role="system", content="Be brief.")]
    answers = []
    for question in questions:
        messages.append(ChatMessage(role="user", content=question))
        message = None
        for chunk in llm.stream_chat(messages):
            message = chunk.message
        answers.append(message.content)
        messages.append(message)
    completed = OpenAILike(**options, is_chat_model=False, max_tokens=8).complete("The ferry leaves").text
    structured = llm.as_structured_llm(Visit).chat(messages).raw
    called = llm.chat_with_tools([FunctionTool.from_defaults(weather)], chat_history=messages, tool_required=True)
    (call,) = llm.get_tool_calls_from_response(called)
    report = {
        "answers": answers,
        "completed": completed,
        "structured": structured.model_dump(),
        "called": [call.tool_name, call.tool_kwargs],
    }
    print(json.dumps(report))


main(sys.argv[1], sys.argv[2], sys.argv[3:])
