"""Tasks that recognize the topics of sentences."""

from __future__ import annotations

import random
from collections.abc import Callable

from lorify.data.tasks import words
from lorify.data.tasks.families.fixed.yes_no import yes_no_task
from lorify.data.tasks.spec import DrawTestInput, TaskSpec, one_of


def topics_tasks() -> list[TaskSpec]:
    """Build tasks that name the topic of a sentence."""
    every = tuple(words.TOPICS)
    rows: list[tuple[str, tuple[str, ...], Callable[[str], str], str]] = [
        ("plain", every, str, ""),
        ("upper", every, str.upper, " in capital letters"),
        ("hashtag", every, lambda topic: f"#{topic}", " as a hashtag"),
        ("initial", every, lambda topic: topic[0], " by its first letter"),
        ("sport_food", ("sports", "food"), str, ""),
        ("money_health", ("money", "health"), str, ""),
        ("weather_travel", ("weather", "travel"), str, ""),
    ]
    return [_topic_task(*row) for row in rows]


def _topic_task(name: str, topics: tuple[str, ...], write: Callable[[str], str], form: str) -> TaskSpec:
    options = one_of(topics)

    def draw_instance(rng: random.Random) -> tuple[str, str]:
        topic = rng.choice(topics)
        return words.draw_topic_text(rng, topic), write(topic)

    return TaskSpec(
        f"topics_{name}",
        "topics",
        draw_instance,
        (
            f"{{Name|Give|Tell}} the topic of $text{form}: {options}.",
            f"Is $text about {options}? {{Answer|Reply}} with the topic{form}.",
            f"{{What|Which}} is the topic{form}: {options}?",
            f"{{Choose|Pick}} from {options}: {{what is the topic|what is it about}}? {{Write|Say}} it{form}.",
            f"{{Read|Look at}} $text and {{write|say}} the topic{form}, {options}.",
            f"{{We need|I want}} the topic{form}, {{which is|one of}} {options}.",
            f"{{The answer is|You say}} {options}, {{whichever is the topic|by the topic}}{form}.",
            f"{{Sort|File|Classify}} $text under {options}{form}.",
        ),
        tuple(write(topic) for topic in topics),
    )


def topic_questions_tasks() -> list[TaskSpec]:
    """Build tasks that say whether a sentence is about a topic; an unseen family."""
    return [
        yes_no_task(
            "topic questions",
            topic,
            _test_of_topic(topic),
            (f"$text has to do with {topic}", f"the topic is {topic}", f"Is this about {topic}?"),
        )
        for topic in words.TOPICS
    ]


def _test_of_topic(topic: str) -> DrawTestInput:
    others = [name for name in words.TOPICS if name != topic]
    return lambda rng, passes: words.draw_topic_text(rng, topic if passes else rng.choice(others))
