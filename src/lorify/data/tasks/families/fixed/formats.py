"""Tasks with code formats and constant answers."""

from __future__ import annotations

import json

from lorify.data.tasks.spec import TaskSpec, form_templates, on_list, on_sentence

_ANSWERS = {
    "yes": "Yes.",
    "unknown": "I do not know.",
    "refusal": "Sorry, I cannot help with that.",
    "later": "Ask me later.",
    "thanks": "Thank you!",
    "silence": "...",
    "hello": "Hello there!",
}


def code_tasks() -> list[TaskSpec]:
    """Build tasks that write a sentence or list as code or markup."""
    rows = [
        ("print", on_sentence(lambda t: f'print("{t}")'), "a Python print statement", "prints it in Python"),
        ("html", on_sentence(lambda t: f"<b>{t}</b>"), "bold HTML", "makes it bold in HTML"),
        ("paragraph", on_sentence(lambda t: f"<p>{t}</p>"), "an HTML paragraph", "makes it a paragraph in HTML"),
        ("comment", on_sentence(lambda t: f"// {t}"), "a comment of a C program", "comments it out in C"),
        ("heading", on_sentence(lambda t: f"## {t}"), "a Markdown heading of level two",
         "is its second-level heading"),
        ("snake", on_sentence(lambda t: t.lower().replace(" ", "_")), "a variable name in snake case",
         "is its name in snake_case"),
        ("json", on_sentence(lambda t: json.dumps({"text": t})), 'JSON with the key "text"',
         "is a JSON object with it as text"),
        ("json_list", on_list(lambda x: json.dumps(x)), "a JSON array of strings", "is a JSON list of them"),
        ("assignment", on_sentence(lambda t: f"text = '{t}'"), "an assignment to the variable text",
         "assigns it to text"),
    ]  # fmt: skip
    return [
        TaskSpec(f"code_{name}", "code", draw_instance,
                 (f"{{Convert|Turn|Change}} $text into {form}.", f"$write $text as {form}.",
                  *form_templates("$text", f"as {form}"),
                  f"{{Give|Write}} the code that {paraphrase}."))
        for name, draw_instance, form, paraphrase in rows
    ]  # fmt: skip


def constants_tasks() -> list[TaskSpec]:
    """Build tasks that give the same answer to every input."""
    return [
        TaskSpec(
            f"constant_{name}",
            "constants",
            on_sentence(lambda _text, answer=answer: answer),
            (
                f'{{Always|In every case}} {{answer|reply|say}} "{answer}", {{whatever the input is|no matter what}}.',
                f'{{Ignore|Do not read}} $text and {{answer|reply|say}} "{answer}"',
                f'"{answer}" is {{all you say|what you always say}}.',
                f'{{No matter what comes|Whatever you are told}}, "{answer}" {{is the reply|is what you say}}.',
                f'{{Say|Write}} "{answer}" {{every time|each time}}.',
                f'{{To anything|To every input}}, {{say|reply}} "{answer}"',
                f'{{Your|The}} {{only|one}} answer to anything is "{answer}"',
            ),
        )
        for name, answer in _ANSWERS.items()
    ]
