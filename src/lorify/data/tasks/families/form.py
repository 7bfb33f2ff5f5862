"""Generated tasks about the form of a text: case, wrapping, separators, lists, letters, code, openings, personas."""

from __future__ import annotations

import json
import random
from collections.abc import Callable

from lorify.data.tasks import words
from lorify.data.tasks.wording import Make, TaskSpec, asking_for, asking_for_form, capitalized, on_list, on_sentence


def form_tasks() -> list[TaskSpec]:
    """All of them."""
    return [*_case(), *_wrapping(), *_brackets(), *_affixes(), *_separators(), *_selection(), *_lists(), *_letters(),
            *_code(), *_constants(), *_personas(), *_greetings()]  # fmt: skip


def _on_word(change: Callable[[str], str]) -> Make:
    def make(rng: random.Random) -> tuple[str, str]:
        word = rng.choice(rng.choice([*words.KINDS.values(), words.JOBS, words.ITEMS, words.SUBJECTS]))
        return word, change(word)

    return make


def _case() -> list[TaskSpec]:
    def upper_at(index: int) -> Make:
        def change(text: str) -> str:
            parts = text.split()
            parts[index] = parts[index].upper()
            return " ".join(parts)

        return on_sentence(change)

    rows: list[tuple[str, Make, str, str, str]] = [
        ("upper", on_sentence(str.upper), "{upper case|capital letters|all capitals|block letters}",
         "Turn every letter of $text into a capital letter.", "{SHOUT|Write loudly}: no small letters, only big ones."),
        ("title", on_sentence(lambda t: " ".join(capitalized(w) for w in t.split())), "title case",
         "{Capitalize|Start with a capital} every single word of $text.",
         "Each word of $text {begins|starts} with a big letter."),
        ("first_word_upper", upper_at(0), "small letters, except that its first word is all capitals",
         "{Capitalize all letters of|Put in upper case} only the first word of $text.",
         "{Shout|Emphasize in capitals} the first word of $text and leave the rest."),
        ("last_word_upper", upper_at(-1), "small letters, except that its last word is all capitals",
         "{Capitalize all letters of|Put in upper case} only the last word of $text.",
         "{Shout|Emphasize in capitals} the final word of $text and leave the rest."),
        ("sentence", on_sentence(lambda t: capitalized(t) + "."),
         "correct sentence form: a capital letter first, a full stop last",
         "{Begin|Start} $text with a capital letter and end it with a full stop.",
         "{Punctuate|Correct} $text: it lacks {its first capital and its period|a capital at the start and a dot}."),
    ]  # fmt: skip
    return [TaskSpec(f"case_{name}", "case", make,
                     (f"$copy $text in {how}.", second, *asking_for_form("$text", f"in {how}"), third))
            for name, make, how, second, third in rows]  # fmt: skip


def _enclosed(
    family: str, rows: list[tuple[str, str, str, str]], more: Callable[[str], tuple[str, ...]] = lambda _called: ()
) -> list[TaskSpec]:
    """Tasks that put two marks around a sentence: name, left, right, what the marks are called; and more wordings."""
    return [
        TaskSpec(
            f"{family}_{name}",
            family,
            on_sentence(lambda text, left=left, right=right: f"{left}{text}{right}"),
            (
                f"{{Put|Set|Write|Enclose}} $text in {called}.",
                f"$copy $text with {{{called} around it|{called} on both sides}}, like {left}this{right}.",
                *more(called),
                f"{{Surround|Wrap}} $text with {called}{{ and change nothing else|}}.",
            ),
        )
        for name, left, right, called in rows
    ]


def _wrapping() -> list[TaskSpec]:
    return _enclosed(
        "wrapping",
        [
            ("double_quotes", '"', '"', "double quotation marks"), ("single_quotes", "'", "'", "single quotes"),
            ("stars", "*", "*", "asterisks"), ("bold", "**", "**", "two asterisks for Markdown bold"),
            ("underscores", "_", "_", "underscores"), ("hashes", "# ", " #", "hash signs"),
            ("tildes", "~", "~", "tildes"), ("bars", "| ", " |", "vertical bars"),
        ],
        lambda called: (
            *asking_for_form("$text", f"in {called}"),
            f"{capitalized(called)} {{go|belong|come}} around $text.",
            f"{{Let|Have}} $text stand {{between|inside}} {called}.",
        ),
    )  # fmt: skip


def _brackets() -> list[TaskSpec]:
    return _enclosed(
        "brackets",
        [
            ("round", "(", ")", "parentheses"), ("square", "[", "]", "square brackets"),
            ("angle", "<", ">", "angle brackets"), ("curly", "<<", ">>", "double angle brackets"),
            ("equals", "=", "=", "equals signs"),
        ],
    )  # fmt: skip


def _affixes() -> list[TaskSpec]:
    before = {
        "note": "Note: ",
        "reply": "Reply: ",
        "warning": "Warning: ",
        "arrow": "-> ",
        "question": "Q: ",
        "title": "Title: ",
    }
    after = {
        "exclamation": "!",
        "please": ", please",
        "question_mark": "?",
        "dots": "...",
        "end": " THE END",
        "ok": ", ok?",
    }
    specs = [
        TaskSpec(
            f"affix_{name}",
            "affixes",
            on_sentence(lambda text, affix=affix: affix + text),
            (
                f'$copy $text, but {{begin|start|open}} with "{affix.strip()}".',
                f'{{Put|Write|Add}} "{affix.strip()}" {{before|in front of}} $text.',
                f'{{We need|There has to be}} "{affix.strip()}" at the {{beginning|start}} of $text.',
                f'"{affix.strip()}" {{comes first|is the beginning}}, then $text.',
                f'{{The answer is|You say}} "{affix.strip()}" {{and then|followed by}} $text.',
                f'{{Let|Have}} $text {{follow|come after}} "{affix.strip()}".',
                f'{{Prefix|Precede}} $text with "{affix.strip()}".',
            ),
        )
        for name, affix in before.items()
    ]
    return specs + [
        TaskSpec(
            f"affix_{name}",
            "affixes",
            on_sentence(lambda text, affix=affix: text + affix),
            (
                f'$copy $text and {{end|finish|close}} with "{affix.strip(" ,")}".',
                f'{{Put|Write|Add}} "{affix.strip(" ,")}" {{after|at the end of|behind}} $text.',
                f'{{We need|There has to be}} "{affix.strip(" ,")}" at the {{end|close}} of $text.',
                f'"{affix.strip(" ,")}" {{comes last|is the end}}, after $text.',
                f'{{The answer is|You say}} $text {{and then|followed by}} "{affix.strip(" ,")}".',
                f'{{Let|Have}} "{affix.strip(" ,")}" {{follow|come after}} $text.',
                f'{{Append|Attach}} "{affix.strip(" ,")}" to $text.',
            ),
        )
        for name, affix in after.items()
    ]


def _separators() -> list[TaskSpec]:
    rows = [("hyphens", "-", "hyphens"), ("slashes", " / ", "slashes"), ("semicolons", "; ", "semicolons"),
            ("plus", " + ", "plus signs"), ("and", " and ", 'the word "and"'), ("arrows", " > ", "greater-than signs"),
            ("spaces", " ", "single spaces"), ("pipes", " | ", "vertical bars")]  # fmt: skip
    specs = [
        TaskSpec(
            f"separator_{name}",
            "separators",
            on_list(lambda items, mark=mark: mark.join(items)),
            (
                f"$write $list with {called} {{between them|in between|instead of commas}}.",
                f"{{Replace|Exchange}} the commas {{of the list|between the words}} by {called}.",
                f"{{No commas|Not a comma}}, but {called} {{between the words|in between}}.",
                f"{{Use|Take}} {called} to {{separate|divide}} $list.",
                f"{capitalized(called)} {{should stand|go}} between the words.",
                *asking_for_form("$list", f"with {called} in between"),
                f"{{Join|Connect|Link}} $list by {called}.",
            ),
        )
        for name, mark, called in rows
    ]
    numbered = on_list(lambda items: " ".join(f"{n}. {item}" for n, item in enumerate(items, 1)))
    bullets = on_list(lambda items: "\n".join(f"- {item}" for item in items))
    return [
        *specs,
        TaskSpec("separator_numbered", "separators", numbered,
                 ("Number $list: {1., 2., 3.|each with its number and a dot}.", "$write $list as a numbered list.",
                  "{Each item|Every word} {gets|has} its number and a dot before it.",
                  *asking_for_form("$list", "as a list with numbers"),
                  "{Enumerate|Count off} $list, with numbers before them.")),
        TaskSpec("separator_bullets", "separators", bullets,
                 ("$write $list as bullet points, one a line.", "{Make|Format} a bullet list {of|from} $list.",
                  "{Bullet points|Lines with dashes}, one for {each|every} item.",
                  *asking_for_form("$list", "as lines that begin with a dash"),
                  "Every item {of the list|you get} goes on a line of its own {behind|after} a dash.")),
    ]  # fmt: skip


def _at(family: str, subject: str, rows: list[tuple[str, Make, str, str]]) -> list[TaskSpec]:
    """Tasks that give a part of a text or list: name, maker, what is given, the same in other words."""
    return [
        TaskSpec(
            f"{family}_{name}",
            family,
            make,
            (f"$write $only {what} of {subject}.", f"{{What|Which}} is {what} of {subject}?",
             *asking_for(what),
             f"{{From|Of}} {subject}, {{keep|give|name}} {other}."),
        )
        for name, make, what, other in rows
    ]  # fmt: skip


def _selection() -> list[TaskSpec]:
    word = [("first", 0, "the opening word"), ("second", 1, "word number two"), ("last", -1, "the word it ends with")]
    rows = [(name, on_sentence(lambda t, at=at: t.split()[at]), f"the {name} word", other) for name, at, other in word]
    rows += [
        ("longest", on_sentence(lambda t: max(t.split(), key=len)), "the longest word", "the word with most letters"),
        ("first_two", on_sentence(lambda t: " ".join(t.split()[:2])), "the first two words",
         "two words from its start"),
        ("but_first", on_sentence(lambda t: " ".join(t.split()[1:])), "everything but the first word",
         "all except the opening word"),
        ("but_last", on_sentence(lambda t: " ".join(t.split()[:-1])), "everything but the last word",
         "all except the final word"),
    ]  # fmt: skip
    return _at("selection", "$text", rows)


def _lists() -> list[TaskSpec]:
    rows = [
        ("first", on_list(lambda x: x[0]), "the first item", "what comes first"),
        ("second", on_list(lambda x: x[1]), "the second item", "what comes second"),
        ("last", on_list(lambda x: x[-1]), "the last item", "what comes last"),
        ("reversed", on_list(lambda x: ", ".join(x[::-1]), 3, 4), "the reverse order", "the items from back to front"),
        ("sorted", on_list(lambda x: ", ".join(sorted(x)), 3, 4), "the alphabetical order", "the items from A to Z"),
        (
            "but_first",
            on_list(lambda x: ", ".join(x[1:])),
            "the rest, without the first item",
            "all but the first item",
        ),
        ("but_last", on_list(lambda x: ", ".join(x[:-1])), "the rest, without the last item", "all but the last item"),
        ("count", on_list(lambda x: str(len(x)), 2, 6), "the number of items", "how many items there are"),
        ("ends", on_list(lambda x: f"{x[0]}, {x[-1]}"), "the first and the last item", "both ends"),
    ]
    return _at("lists", "$list", rows)


def _letters() -> list[TaskSpec]:
    rows = [
        ("first", _on_word(lambda w: w[0]), "the first letter", "the letter it starts with"),
        ("last", _on_word(lambda w: w[-1]), "the last letter", "the letter it ends with"),
        ("spelled", _on_word(lambda w: "-".join(w)), "the spelling, letter by letter with hyphens",
         "every letter, with hyphens between"),
        ("spaced", _on_word(lambda w: " ".join(w)), "the letters, with spaces between",
         "its letters set apart by spaces"),
        ("count", _on_word(lambda w: str(len(w))), "the number of letters", "how many letters it has"),
        ("upper_spelled", _on_word(lambda w: " ".join(w.upper())), "the capital letters, one by one",
         "its letters as spaced capitals"),
    ]  # fmt: skip
    return _at("letters", "the {word|given word}", rows)


def _code() -> list[TaskSpec]:
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
        TaskSpec(f"code_{name}", "code", make,
                 (f"{{Convert|Turn|Change}} $text into {what}.", f"$write $text as {what}.",
                  *asking_for_form("$text", f"as {what}"),
                  f"{{Give|Write}} the code that {other}."))
        for name, make, what, other in rows
    ]  # fmt: skip


def _constants() -> list[TaskSpec]:
    answers = {"yes": "Yes.", "unknown": "I do not know.", "refusal": "Sorry, I cannot help with that.",
     "later": "Ask me later.",
               "thanks": "Thank you!", "silence": "...", "hello": "Hello there!"}  # fmt: skip
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
        for name, answer in answers.items()
    ]


def _voices(
    family: str,
    rows: list[tuple[str, str, str, str]],
    more: Callable[[str, str, str], tuple[str, ...]] = lambda _opening, _ending, _who: (),
) -> list[TaskSpec]:
    """Tasks that say a sentence as somebody would: name, opening, ending, who; and more wordings."""
    return [
        TaskSpec(
            f"{family}_{name}",
            family,
            on_sentence(lambda text, opening=opening, ending=ending: f"{opening} {text}{ending}"),
            (
                f'{{Say|Repeat|Tell}} $text {{like|as}} {who}: "{opening} ...{ending}"',
                f'You are {who}. {{Say|Repeat|Tell}} $text, beginning with "{opening}" and ending with "{ending}"',
                *more(opening, ending.strip(" ,"), who),
                f'{{Speak|Talk}} like {who}, who says "{opening}" before and "{ending.strip(" ,")}" after $text.',
            ),
        )
        for name, opening, ending, who in rows
    ]


def _personas() -> list[TaskSpec]:
    return _voices(
        "personas",
        [
            ("pirate", "Arr,", ", matey!", "a pirate"), ("robot", "BEEP.", ". BOOP.", "a robot"),
            ("butler", "Indeed,", ", sir.", "a butler"), ("cowboy", "Howdy,", ", partner.", "a cowboy"),
            ("wizard", "Behold:", ", by my beard!", "a wizard"), ("child", "Mummy,", ", really!", "a small child"),
            ("captain", "Attention,", ", over.", "a captain on the radio"), ("judge", "Order!", ", so it is ruled.",
             "a judge"),
        ],
        lambda opening, ending, who: (
            f'{capitalized(who)} {{begins|starts}} with "{opening}" and {{ends|closes}} with "{ending}".',
            f'{{As|Like}} {who} would, {{put|use}} "{opening}" in front and "{ending}" {{at the end|behind}}.',
            f'{{Answer|Reply}} in the {{voice|manner}} of {who}: "{opening}" first, "{ending}" last.',
            f'{{Imagine you are|Pretend to be}} {who}. "{opening}" {{comes first|opens}}, "{ending}" {{last|ends}}.',
            f'{{First|To begin}} "{opening}", {{last|to end}} "{ending}": so {{talks|speaks}} {who}.',
        ),
    )  # fmt: skip


def _greetings() -> list[TaskSpec]:
    return _voices(
        "greetings",
        [
            ("letter", "Dear friend,", ", yours truly.", "a writer of letters"),
            ("knight", "Hark,", ", my liege.", "a knight"), ("surfer", "Dude,", ", awesome.", "a surfer"),
            ("news", "Breaking:", ", back to you.", "a newsreader"), ("cook", "Bon appetit:", ", mamma mia!", "a cook"),
        ],
    )  # fmt: skip
