"""Tasks on grammar, and on knowledge of words and countries."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping

from lorify.data.tasks import words
from lorify.data.tasks.spec import DrawInstance, TaskSpec, noun_phrase_templates


def grammar_tasks() -> list[TaskSpec]:
    """Build tasks that write another form of a word or clause."""
    rows: list[tuple[str, DrawInstance, str, str]] = [
        ("past", _from_pairs(words.PASTS), "the past tense of the verb", "how the verb is said of yesterday"),
        ("present", _from_pairs(words.PASTS, lambda a, b: (b, a)), "the base form of the verb",
         "the verb as a dictionary has it"),
        ("plural", _from_pairs(words.PLURALS), "the plural of the noun", "what several of it are called"),
        ("singular", _from_pairs(words.PLURALS, lambda a, b: (b, a)), "the singular of the noun",
         "what one of them is called"),
        ("to_past", _on_clause(lambda subject, verb, past: f"{subject} {past}"),
         "the clause in the past tense",
         "the same as it was yesterday"),
        ("negated", _on_clause(lambda subject, verb, _: f"{subject} do not {verb}"), "the clause with do not",
         "the opposite by adding do not"),
        ("asked", _on_clause(lambda subject, verb, _: f"Do {subject} {verb}?"),
         "the clause as a question with do",
         "a question that begins with Do"),
        ("future", _on_clause(lambda subject, verb, _: f"{subject} will {verb}"),
         "the clause in the future tense",
         "the same as it will be tomorrow"),
    ]  # fmt: skip
    return [
        TaskSpec(f"grammar_{name}", "grammar", draw_instance,
                 (f"$write {phrase}.", f"{{What is|Form|Find}} {phrase}{{|, nothing else}}",
                  *noun_phrase_templates(phrase),
                  f"{{I need|Tell me|State}} {paraphrase}."))
        for name, draw_instance, phrase, paraphrase in rows
    ]  # fmt: skip


def knowledge_tasks() -> list[TaskSpec]:
    """Build tasks that answer with a word related to the given one: its opposite, capital or language."""
    rows: list[tuple[str, DrawInstance, str, str]] = [
        ("opposite", _from_pairs(words.OPPOSITES), "the opposite of the word", "a word that means the contrary"),
        ("opposite_back", _from_pairs(words.OPPOSITES, lambda a, b: (b, a.upper())), "the antonym in capital letters",
         "the contrary, in capitals"),
        ("capital", _from_pairs(words.CAPITALS), "the capital of the country",
         "the city from which the country is governed"),
        ("country", _from_pairs(words.CAPITALS, lambda a, b: (b, a)), "the country of the capital",
         "the country that is governed from the city"),
        ("language", _from_pairs(words.LANGUAGES), "the language of the country",
         "what the people of the country speak"),
        ("capital_sentence", _from_pairs(words.CAPITALS, lambda a, b: (a, f"The capital of {a} is {b}.")),
         'a sentence "The capital of ... is ..." for the country', "in a sentence what the capital of the country is"),
    ]  # fmt: skip
    return [
        TaskSpec(f"knowledge_{name}", "knowledge", draw_instance,
                 (f"$write {phrase}.", f"{{Name|Tell me|State}} {phrase}.", *noun_phrase_templates(phrase),
                  f"{{Say|Let me know|Do you know}} {paraphrase}."))
        for name, draw_instance, phrase, paraphrase in rows
    ]  # fmt: skip


def _on_clause(change: Callable[[str, str, str], str]) -> DrawInstance:
    """Build instances of a clause, with the result of `change` for its subject, verb and past tense."""

    def draw_instance(rng: random.Random) -> tuple[str, str]:
        verb, past = rng.choice(list(words.PASTS.items()))
        subject = rng.choice(("I", "you", "we", "they"))
        return f"{subject} {verb}", change(subject, verb, past)

    return draw_instance


def _from_pairs(
    pairs: Mapping[str, str], arrange: Callable[[str, str], tuple[str, str]] = lambda a, b: (a, b)
) -> DrawInstance:
    """Build instances from random pairs of words, arranged as input and answer."""

    def draw_instance(rng: random.Random) -> tuple[str, str]:
        return arrange(*rng.choice(list(pairs.items())))

    return draw_instance
