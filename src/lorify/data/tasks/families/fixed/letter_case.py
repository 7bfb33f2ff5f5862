"""Tasks that change upper and lower case."""

from __future__ import annotations

from lorify.data.tasks.spec import DrawInstance, TaskSpec, form_templates, on_sentence
from lorify.data.text import capitalize_first


def case_tasks() -> list[TaskSpec]:
    """Build tasks that change the upper and lower case of a sentence."""
    rows: list[tuple[str, DrawInstance, str, str, str]] = [
        ("upper", on_sentence(str.upper), "{upper case|capital letters|all capitals|block letters}",
         "Turn every letter of $text into a capital letter.", "{SHOUT|Write loudly}: no small letters, only big ones."),
        ("title", on_sentence(lambda text: " ".join(capitalize_first(word) for word in text.split())), "title case",
         "{Capitalize|Start with a capital} every single word of $text.",
         "Each word of $text {begins|starts} with a big letter."),
        ("first_word_upper", _upper_word_at(0), "small letters, except that its first word is all capitals",
         "{Capitalize all letters of|Put in upper case} only the first word of $text.",
         "{Shout|Emphasize in capitals} the first word of $text and leave the rest."),
        ("last_word_upper", _upper_word_at(-1), "small letters, except that its last word is all capitals",
         "{Capitalize all letters of|Put in upper case} only the last word of $text.",
         "{Shout|Emphasize in capitals} the final word of $text and leave the rest."),
        ("sentence", on_sentence(lambda text: capitalize_first(text) + "."),
         "correct sentence form: a capital letter first, a full stop last",
         "{Begin|Start} $text with a capital letter and end it with a full stop.",
         "{Punctuate|Correct} $text: it lacks {its first capital and its period|a capital at the start and a dot}."),
    ]  # fmt: skip
    return [TaskSpec(f"case_{name}", "case", draw_instance,
                     (f"$copy $text in {form}.", first_more, *form_templates("$text", f"in {form}"), last))
            for name, draw_instance, form, first_more, last in rows]  # fmt: skip


def _upper_word_at(index: int) -> DrawInstance:
    def change(text: str) -> str:
        words = text.split()
        words[index] = words[index].upper()
        return " ".join(words)

    return on_sentence(change)
