"""Generated tasks about what a text says: extraction, classification, arithmetic, grammar, rewriting, knowledge."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Mapping

from lorify.data.tasks import words
from lorify.data.tasks.wording import DrawTested, Make, TaskSpec, asking_for, asking_for_form, one_of, tested


def meaning_tasks() -> list[TaskSpec]:
    """All of them."""
    return [*_extraction(), *_labelled_extraction(), *_messages(), *_dates(), *_sentiment(), *_votes(), *_topics(),
            *_topic_questions(), *_kinds(), *_kind_questions(), *_arithmetic(), *_comparison(), *_number_forms(),
            *_grammar(), *_knowledge(), *_rewriting()]  # fmt: skip


FIELDS = {
    "first name": "what the person is called by friends", "surname": "the family name of the person",
    "full name": "who it is about, with both names", "age": "how old the person is", "job": "what the person works as",
    "city": "the town that is named", "number": "how many things were bought", "colour": "what colour the things have",
    "item": "what kind of thing was bought", "day": "on which weekday it was", "price": "how much money was paid",
    "month": "in which month it was",
}  # fmt: skip


def _from_record(answer: Callable[[Mapping[str, str]], str]) -> Make:
    def make(rng: random.Random) -> tuple[str, str]:
        record = words.make_record(rng)
        return record.text, answer(record.fields)

    return make


def _extraction() -> list[TaskSpec]:
    return [
        TaskSpec(
            f"extraction_{field.replace(' ', '_')}",
            "extraction",
            _from_record(lambda fields, field=field: fields[field]),
            (
                f"$find $only the {field} {{from|in}} $text.",
                f"{{What|Which}} {field} {{is mentioned|is named|stands}} in $text? {{Answer briefly.|}}",
                *asking_for(f"the {field}"),
                f"{{Tell me|I want to know|Please find out}} {other}.",
                f"{{Somebody asks|The question is}} {other}{{: what do you say?|.}}",
                f"$write {other}{{, without any other word|}}.",
            ),
        )
        for field, other in FIELDS.items()
    ]


def _labelled_extraction() -> list[TaskSpec]:
    specs = []
    for field in ("city", "age", "job", "item", "day"):
        forms: dict[str, tuple[Callable[[str], str], str]] = {
            "json": (lambda value, field=field: json.dumps({field: value}), f'a JSON object with the key "{field}"'),
            "line": (lambda value, field=field: f"{field}: {value}", f'a line "{field}: ..."'),
            "upper": (str.upper, "capital letters"),
        }
        for form, (shape, called) in forms.items():
            specs.append(
                TaskSpec(
                    f"labelled_{field}_{form}",
                    "labelled extraction",
                    _from_record(lambda fields, field=field, shape=shape: shape(fields[field])),
                    (
                        f"$find the {field} {{from|in}} $text and write it as {called}.",
                        f"The {field} of $text, as {called}.",
                        f"{{We need|I want}} the {field} {{written|put}} as {called}.",
                        f"{{Look for|Find}} the {field}; {{the form is|use}} {called}.",
                        f"{{Tell me|Say}} the {field} in the form of {called}.",
                        f"As {called}: {{which|what}} {field} {{is mentioned|is named|stands}} in $text?",
                        f"{{Answer in|Use}} {called} to say {FIELDS[field]}.",
                    ),
                )
            )
    return specs


def _messages() -> list[TaskSpec]:
    def parts(rng: random.Random) -> tuple[str, dict[str, str]]:
        name = rng.choice(words.FIRST_NAMES)
        fields = {
            "email address": f"{name.lower()}{rng.randint(1, 99)}@{rng.choice(('mail', 'post', 'work'))}.com",
            "phone number": f"555-{rng.randint(1000, 9999)}",
            "order number": f"#{rng.randint(10000, 99999)}",
            "time": f"{rng.randint(8, 19)}:{rng.choice(('00', '15', '30', '45'))}",
            "sender": name,
        }
        text = rng.choice(
            (
                "My order {order number} has not come. Call me at {phone number} or write to {email address} before "
                "{time}. {sender}",
                "Hello, {sender} here. Please ring {phone number} at {time} about {order number}; my address is "
                "{email address}.",
            )
        )
        for key, value in fields.items():
            text = text.replace(f"{{{key}}}", value)
        return text, fields

    def make_of(field: str) -> Make:
        def make(rng: random.Random) -> tuple[str, str]:
            text, fields = parts(rng)
            return text, fields[field]

        return make

    other = {"email address": "where to send an email", "phone number": "which number to call",
             "order number": "which order it is about", "time": "until when or at what hour it should be",
             "sender": "who wrote the message"}  # fmt: skip
    return [
        TaskSpec(
            f"messages_{field.replace(' ', '_')}",
            "messages",
            make_of(field),
            (
                f"$find $only the {field} {{from|in}} the {{message|customer's message}}.",
                f"{{What|Which}} {field} is in the {{message|text|note}}?",
                f"$write {how}, {{nothing else|no more}}.",
            ),
        )
        for field, how in other.items()
    ]


def _dates() -> list[TaskSpec]:
    def make_of(form: Callable[[int, int, int], str]) -> Make:
        def make(rng: random.Random) -> tuple[str, str]:
            day, month, year = rng.randint(1, 28), rng.randint(1, 12), rng.randint(1950, 2029)
            return f"{day} {words.MONTHS[month - 1]} {year}", form(day, month, year)

        return make

    rows = [
        ("iso", lambda d, m, y: f"{y}-{m:02d}-{d:02d}", "in ISO form, year-month-day", "as 2020-01-31 is written"),
        ("year", lambda d, m, y: str(y), "as its year alone", "as four digits of a year"),
        ("month", lambda d, m, y: words.MONTHS[m - 1], "as its month alone", "as the name of a month"),
        ("day", lambda d, m, y: str(d), "as its day alone", "as the day of the month only"),
        ("american", lambda d, m, y: f"{words.MONTHS[m - 1]} {d}, {y}", "the American way, month first",
         "with month, day, comma and year"),
    ]  # fmt: skip
    return [
        TaskSpec(f"dates_{name}", "dates", make_of(form),
                 (f"{{Write|Give|Rewrite}} the date {how}.",
                  f"{{Convert|Change}} the {{date|given date}}: it should be {how}.",
                  f"Put the {{date|day}} {other}."))
        for name, form, how, other in rows
    ]  # fmt: skip


def _judged(
    family: str, rows: list[tuple[str, str, str]], more: Callable[[str, str], tuple[str, ...]] = lambda _good, _bad: ()
) -> list[TaskSpec]:
    """Tasks that call a review one thing or the other: name, word for praise, word for blame; and more wordings."""

    return [
        TaskSpec(
            f"{family}_{name}",
            family,
            tested(words.make_review, good, bad),
            (
                f'$decide {{whether|if}} the review is favourable: {{answer|say}} "{good}" if so, else "{bad}".',
                f'{{Label|Mark}} the {{review|opinion|comment}} as "{good}" if it praises, "{bad}" if it complains.',
                *more(good, bad),
                f'"{good}" or "{bad}": {{does the customer like it|is the customer pleased|is the reviewer happy}}?',
            ),
            (good, bad),
        )
        for name, good, bad in rows
    ]


def _sentiment() -> list[TaskSpec]:
    return _judged("sentiment", [("positive", "positive", "negative"), ("good", "good", "bad"), ("signs", "+", "-"),
                                 ("digits", "1", "0"), ("happy", "happy", "sad"), ("yes", "yes", "no"),
                                 ("stars", "5 stars", "1 star"), ("letters", "A", "B")],
                   lambda good, bad: (
                       f'{{Say|Write}} "{good}" when somebody is content, and "{bad}" when not.',
                       f'"{good}" {{means|stands for}} praise, "{bad}" {{means|stands for}} blame. {{Which is it?|}}',
                       f'{{If|When}} it is praise, {{the answer is|write}} "{good}", {{otherwise|if not}} "{bad}".',
                       f'{{Sort|Tag|File}} opinions: "{good}" for good ones, "{bad}" for bad ones.',
                       f'{{Was somebody content|Is there praise in it}}? Then "{good}", {{else|if not,}} "{bad}".',
                   ))  # fmt: skip


def _votes() -> list[TaskSpec]:
    return _judged("votes", [("like", "like", "dislike"), ("thumbs", "thumbs up", "thumbs down"), ("keep", "keep",
     "return"),
                             ("pass", "pass", "fail"), ("true", "true", "false")])  # fmt: skip


def _topic_text(rng: random.Random, topic: str) -> str:
    return rng.choice(words.TOPICS[topic]).format(rng.choice(words.FIRST_NAMES))


def _topics() -> list[TaskSpec]:
    def make_of(topics: tuple[str, ...], shape: Callable[[str], str]) -> Make:
        def make(rng: random.Random) -> tuple[str, str]:
            topic = rng.choice(topics)
            return _topic_text(rng, topic), shape(topic)

        return make

    everything = tuple(words.TOPICS)
    rows: list[tuple[str, tuple[str, ...], Callable[[str], str], str]] = [
        ("plain", everything, str, ""), ("upper", everything, str.upper, " in capital letters"),
        ("hashtag", everything, lambda t: f"#{t}", " as a hashtag"), ("initial", everything, lambda t: t[0],
         " by its first letter"),
        ("sport_food", ("sports", "food"), str, ""), ("money_health", ("money", "health"), str, ""),
        ("weather_travel", ("weather", "travel"), str, ""),
    ]  # fmt: skip
    specs = []
    for name, topics, shape, how in rows:
        listed = one_of(topics)
        specs.append(
            TaskSpec(
                f"topics_{name}",
                "topics",
                make_of(topics, shape),
                (
                    f"{{Name|Give|Tell}} the topic of $text{how}: {listed}.",
                    f"Is $text about {listed}? {{Answer|Reply}} with the topic{how}.",
                    f"{{What|Which}} is the topic{how}: {listed}?",
                    f"{{Choose|Pick}} from {listed}: {{what is the topic|what is it about}}? {{Write|Say}} it{how}.",
                    f"{{Read|Look at}} $text and {{write|say}} the topic{how}, {listed}.",
                    f"{{We need|I want}} the topic{how}, {{which is|one of}} {listed}.",
                    f"{{The answer is|You say}} {listed}, {{whichever is the topic|by the topic}}{how}.",
                    f"{{Sort|File|Classify}} $text under {listed}{how}.",
                ),
                tuple(shape(topic) for topic in topics),
            )
        )
    return specs


def _yes_no(
    family: str, name: str, draw: DrawTested, question: tuple[str, str, str], more: tuple[str, ...] = ()
) -> TaskSpec:
    first, second, third = question
    return TaskSpec(
        f"{family.replace(' ', '_')}_{name}",
        family,
        tested(draw, "yes", "no"),
        (
            f"$decide {{whether|if}} {first}. {{Answer yes or no.|Reply with yes or no.|Say yes or no.}}",
            f'{{Answer|Reply|Write}} "yes" if {second}, {{otherwise|and if not}} "no".',
            *more,
            f"{third} {{Yes or no?|yes/no|A yes or a no is enough.}}",
        ),
        ("yes", "no"),
    )


def _topic_questions() -> list[TaskSpec]:
    def draw_of(topic: str) -> DrawTested:
        others = [name for name in words.TOPICS if name != topic]
        return lambda rng, is_so: _topic_text(rng, topic if is_so else rng.choice(others))

    return [
        _yes_no("topic questions", topic, draw_of(topic),
                (f"$text has to do with {topic}", f"the topic is {topic}", f"Is this about {topic}?"))
        for topic in words.TOPICS
    ]  # fmt: skip


def _kinds() -> list[TaskSpec]:
    def make_of(kinds: tuple[str, ...], shape: Callable[[str], str]) -> Make:
        def make(rng: random.Random) -> tuple[str, str]:
            kind = rng.choice(kinds)
            return rng.choice(words.KINDS[kind]), shape(kind)

        return make

    every = tuple(words.KINDS)
    rows: list[tuple[str, tuple[str, ...], Callable[[str], str], str]] = [
        ("plain", every, str, ""), ("upper", every, str.upper, " in capital letters"),
         ("is_a", every, lambda k: f"It is a kind of {k}.", ' in a sentence "It is a kind of ..."'),
        ("animal_tool", ("animal", "tool"), str, ""), ("fruit_vegetable", ("fruit", "vegetable"), str, ""),
        ("furniture_vehicle", ("furniture", "vehicle"), str, ""), ("drink_instrument", ("drink", "instrument"), str,
         ""),
    ]  # fmt: skip
    return [
        TaskSpec(
            f"kinds_{name}",
            "kinds",
            make_of(kinds, shape),
            (
                f"{{Say|Tell|Name}} what kind of thing the word is{how}: {', '.join(kinds)}.",
                f"To {{which category|what class}} belongs the word, {' or '.join(kinds)}? Answer{how or ' with it'}.",
                f"{{What|Which}} kind of thing is it{how}: {', '.join(kinds)}?",
                f"{{Choose|Pick}} the kind of thing from {', '.join(kinds)} and {{write|say}} it{how}.",
                f"{{We need|I want}} the kind of thing{how}, {{which is|one of}} {', '.join(kinds)}.",
                f"{{Is it|Would you say}} {' or '.join(kinds)}? {{Write|Say}} it{how}.",
                f"{{Read|Look at}} the word and {{name|tell}} its kind{how}, {', '.join(kinds)}.",
                f"{{Classify|Sort}} the {{thing|word|noun}} as {', '.join(kinds)}{how}.",
            ),
            tuple(shape(kind) for kind in kinds),
        )
        for name, kinds, shape, how in rows
    ]


def _kind_questions() -> list[TaskSpec]:
    def draw_of(kind: str) -> DrawTested:
        others = [name for name in words.KINDS if name != kind]
        return lambda rng, is_so: rng.choice(words.KINDS[kind if is_so else rng.choice(others)])

    return [
        _yes_no("kind questions", kind, draw_of(kind),
                (f"the {{word|thing}} is a kind of {kind}", f"the word names a kind of {kind}",
                 f"Would you call it a kind of {kind}?"),
                (f"{{Is it true that|Is it so that}} this is a kind of {kind}? {{Yes or no.|Say yes or no.}}",
                 f"{{We ask|The question is}} {{whether|if}} the word means a kind of {kind}: {{yes or no|no or yes}}.",
                 f"{{Yes or no|No or yes}}: is the word a kind of {kind}?",
                 f"{{Say|Reply}} no unless the word is a kind of {kind}; {{then|in that case}} say yes.",
                 f"{{Does it belong to|Is it one of}} the things called {kind}? {{yes|Yes}} or no."))
        for kind in words.KINDS
    ]  # fmt: skip


def _on_numbers(answer: Callable[..., str], how_many: int, high: int = 20) -> Make:
    def make(rng: random.Random) -> tuple[str, str]:
        numbers = rng.sample(range(1, high + 1), how_many)
        return " and ".join(map(str, numbers)), answer(*numbers)

    return make


def _arithmetic() -> list[TaskSpec]:
    rows = [
        ("add", _on_numbers(lambda a, b: str(a + b), 2), "the sum of the two numbers", "add them"),
        ("difference", _on_numbers(lambda a, b: str(abs(a - b)), 2), "the difference of the two numbers",
         "subtract the smaller from the larger"),
        ("next", _on_numbers(lambda a: str(a + 1), 1, 99), "the number that comes next", "count one further"),
        ("previous", _on_numbers(lambda a: str(a - 1), 1, 99), "the number just before", "count one back"),
        ("add_ten", _on_numbers(lambda a: str(a + 10), 1, 89), "the number plus ten", "raise it by ten"),
        ("double", _on_numbers(lambda a: str(2 * a), 1, 40), "twice the number", "double it"),
        ("times_ten", _on_numbers(lambda a: str(10 * a), 1, 99), "ten times the number", "multiply it by ten"),
        ("equation", _on_numbers(lambda a, b: f"{a} + {b} = {a + b}", 2), "the sum as an equation",
         "write out the addition with its result"),
    ]  # fmt: skip
    return [
        TaskSpec(f"arithmetic_{name}", "arithmetic", make,
                 (f"{{Give|Write|Compute|Work out}} {what}.",
                  f"{{What is|Which is}} {what}? {{Answer with it alone.|}}",
                  *asking_for(what),
                  f"{{Please|Now}} {other}{{ and write the result|}}."))
        for name, make, what, other in rows
    ]  # fmt: skip


def _comparison() -> list[TaskSpec]:
    rows = [
        ("larger", _on_numbers(lambda a, b: str(max(a, b)), 2, 99), "the larger number", "the one that is more"),
        ("smaller", _on_numbers(lambda a, b: str(min(a, b)), 2, 99), "the smaller number", "the one that is less"),
        ("ascending", _on_numbers(lambda a, b: f"{min(a, b)}, {max(a, b)}", 2, 99), "the numbers in ascending order",
         "both, the small one first"),
        ("descending", _on_numbers(lambda a, b: f"{max(a, b)}, {min(a, b)}", 2, 99), "the numbers in descending order",
         "both, the big one first"),
        ("sign", _on_numbers(lambda a, b: ">" if a > b else "<", 2, 99), "the sign < or > between the numbers",
         "whether > or < belongs between them"),
        ("parity", _on_numbers(lambda a: "odd" if a % 2 else "even", 1, 99), "odd or even, as the number is",
         "whether halves of it are whole: even or odd"),
    ]  # fmt: skip
    return [
        TaskSpec(f"comparison_{name}", "comparison", make,
                 (f"$write {what}.", f"{{Find|Determine|Name}} {what} {{for the input|of what you get}}.",
                  *asking_for(what),
                  f"{{Tell me|Give me|Say}} {other}."))
        for name, make, what, other in rows
    ]  # fmt: skip


def _number_forms() -> list[TaskSpec]:
    def word(n: int) -> str:
        return words.NUMBERS[n]

    def spelled(rng: random.Random) -> tuple[str, str]:
        n = rng.randint(0, 20)
        return word(n), str(n)

    rows: list[tuple[str, Make, str, str]] = [
        ("words", _on_numbers(word, 1, 20), "in words", "spelled out"),
        ("upper_words", _on_numbers(lambda n: word(n).upper(), 1, 20), "in words of capital letters",
         "spelled in capitals"),
        ("digits", spelled, "in digits", "as figures"),
        ("euros", _on_numbers(lambda n: f"{n} euros", 1, 99), "as an amount of euros", "as money in euros"),
        ("dollars", _on_numbers(lambda n: f"${n}.00", 1, 99), "as a price in dollars and cents",
         "as a dollar price tag"),
        ("percent", _on_numbers(lambda n: f"{n}%", 1, 99), "as a percentage", "with a percent sign"),
        ("decimal", _on_numbers(lambda n: f"{n}.0", 1, 99), "with one decimal", "with .0 behind it"),
        ("padded", _on_numbers(lambda n: f"{n:04d}", 1, 99), "in four digits, with leading zeros",
         "padded with zeros to four places"),
    ]  # fmt: skip
    return [
        TaskSpec(f"numbers_{name}", "numbers", make,
                 (f"$write the number {how}.", f"{{Convert|Change}} the number: it should be {how}.",
                  *asking_for_form("the number", how),
                  f"The {{number|figure}}, {other}, {{please|is wanted}}."))
        for name, make, how, other in rows
    ]  # fmt: skip


def _from_pairs(pairs: Mapping[str, str], shape: Callable[[str, str], tuple[str, str]] = lambda a, b: (a, b)) -> Make:
    def make(rng: random.Random) -> tuple[str, str]:
        return shape(*rng.choice(list(pairs.items())))

    return make


def _grammar() -> list[TaskSpec]:
    def with_verb(shape: Callable[[str, str, str], tuple[str, str]]) -> Make:
        def make(rng: random.Random) -> tuple[str, str]:
            verb, past = rng.choice(list(words.PASTS.items()))
            return shape(rng.choice(("I", "you", "we", "they")), verb, past)

        return make

    rows: list[tuple[str, Make, str, str]] = [
        ("past", _from_pairs(words.PASTS), "the past tense of the verb", "how the verb is said of yesterday"),
        ("present", _from_pairs(words.PASTS, lambda a, b: (b, a)), "the base form of the verb",
         "the verb as a dictionary has it"),
        ("plural", _from_pairs(words.PLURALS), "the plural of the noun", "what several of it are called"),
        ("singular", _from_pairs(words.PLURALS, lambda a, b: (b, a)), "the singular of the noun",
         "what one of them is called"),
        ("to_past", with_verb(lambda who, verb, past: (f"{who} {verb}", f"{who} {past}")),
         "the clause in the past tense",
         "the same as it was yesterday"),
        ("negated", with_verb(lambda who, verb, _: (f"{who} {verb}", f"{who} do not {verb}")), "the clause with do not",
         "the opposite by adding do not"),
        ("asked", with_verb(lambda who, verb, _: (f"{who} {verb}", f"Do {who} {verb}?")),
         "the clause as a question with do",
         "a question that begins with Do"),
        ("future", with_verb(lambda who, verb, _: (f"{who} {verb}", f"{who} will {verb}")),
         "the clause in the future tense",
         "the same as it will be tomorrow"),
    ]  # fmt: skip
    return [
        TaskSpec(f"grammar_{name}", "grammar", make,
                 (f"$write {what}.", f"{{What is|Form|Find}} {what}{{|, nothing else}}",
                  *asking_for(what),
                  f"{{I need|Tell me|State}} {other}."))
        for name, make, what, other in rows
    ]  # fmt: skip


def _knowledge() -> list[TaskSpec]:
    rows: list[tuple[str, Make, str, str]] = [
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
        TaskSpec(f"knowledge_{name}", "knowledge", make,
                 (f"$write {what}.", f"{{Name|Tell me|State}} {what}.", *asking_for(what),
                  f"{{Say|Let me know|Do you know}} {other}."))
        for name, make, what, other in rows
    ]  # fmt: skip


def _rewriting() -> list[TaskSpec]:
    def order(rng: random.Random) -> str:
        return (
            f"{rng.choice(('open', 'close', 'bring', 'clean', 'move', 'hide', 'paint'))} the {rng.choice(words.ITEMS)}"
        )

    def fact(rng: random.Random) -> tuple[str, str, str]:
        return rng.choice(words.FIRST_NAMES), rng.choice(words.VERBS), rng.choice(words.SUBJECTS)

    def on_order(change: Callable[[str], str]) -> Make:
        def make(rng: random.Random) -> tuple[str, str]:
            text = order(rng)
            return f"{text[0].upper()}{text[1:]}.", change(text)

        return make

    def on_fact(change: Callable[[str, str, str], str]) -> Make:
        def make(rng: random.Random) -> tuple[str, str]:
            who, verb, what = fact(rng)
            return f"{who} {verb} the {what}.", change(who, verb, what)

        return make

    rows = [
        ("polite", on_order(lambda t: f"Could you please {t}?"), "a polite request with could you please", "courteous"),
        ("rude", on_order(lambda t: f"Just {t} now!"), 'an impatient order with "Just" and "now!"', "impatient"),
        ("forbidden", on_order(lambda t: f"Do not {t}."), "a prohibition with do not", "a ban"),
        ("suggested", on_order(lambda t: f"Let us {t}."), "a suggestion with let us", "a proposal to do it together"),
        ("formal", on_order(lambda t: f"You are kindly requested to {t}."), 'a formal "You are kindly requested to"',
         "very formal"),
        ("wish", on_order(lambda t: f"I want you to {t}."), "a wish with I want you to", "a personal wish"),
        ("hearsay", on_fact(lambda w, v, x: f"I heard that {w} {v} the {x}."), "hearsay with I heard that", "a rumour"),
        ("doubt", on_fact(lambda w, v, x: f"Maybe {w} {v} the {x}."), "a guess with maybe", "uncertain"),
        ("adjective", on_fact(lambda w, v, x: f"{w} {v} the old {x}."), "the same with old before the noun",
         "about something old"),
        ("passive", on_fact(lambda w, v, x: f"It is {w} who {v} the {x}."),
         "the same with stress on the person, it is ... who", "about who it is"),
        ("anonymous", on_fact(lambda _w, v, x: f"Somebody {v} the {x}."), "the same without the name, with somebody",
         "anonymous"),
    ]  # fmt: skip
    return [
        TaskSpec(f"rewriting_{name}", "rewriting", make,
                 (f"{{Rewrite|Rephrase|Reword}} $text as {what}.", f"{{Make|Turn}} $text into {what}.",
                  *asking_for_form("$text", f"as {what}"),
                  f"{{Change|Adapt}} the {{style|tone}} of $text: it should be {other}."))
        for name, make, what, other in rows
    ]  # fmt: skip
