"""LlamaIndex: five turns, streamed, and a completion. Its newest version that takes openai 3 has no functions."""

import json
import sys

from llama_index.core.llms import ChatMessage
from llama_index.llms.openai_like import OpenAILike


def main(url: str, model: str, questions: list[str]) -> None:
    options = {"model": model, "api_base": url, "api_key": "none", "context_window": 8192, "max_retries": 0}
    llm = OpenAILike(**options, is_chat_model=True, max_tokens=16)
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
    print(json.dumps({"answers": answers, "completed": completed}))


main(sys.argv[1], sys.argv[2], sys.argv[3:])
