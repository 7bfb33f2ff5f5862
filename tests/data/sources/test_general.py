import re

from lorify.data.sources.general import GENERAL_EVAL_PROMPTS, general_training_prompts

FUNCTION_WORDS = frozenset(
    "a an the of in on at to for from with by and or is are was were be do does did can could should would will has "
    "have i you he she it we they me my your his her its our their what which who when where why how that this there "
    "not give write name list tell explain describe".split()
)


def words(prompt: str) -> tuple[str, ...]:
    return tuple(re.findall(r"[^\W_]+", prompt.lower()))


def content_words(prompt: str) -> frozenset[str]:
    """The words that say what the prompt is about, plural endings off."""
    return frozenset(word.rstrip("s") for word in words(prompt) if word not in FUNCTION_WORDS)


def similarity(a: frozenset[str], b: frozenset[str]) -> float:
    return len(a & b) / len(a | b) if a | b else 0.0


def test_there_are_enough_prompts_and_none_is_said_twice():
    training = general_training_prompts()
    assert len(GENERAL_EVAL_PROMPTS) == 200
    assert len(training) >= 1500
    every = [words(prompt) for prompt in GENERAL_EVAL_PROMPTS + training]
    assert len(set(every)) == len(every)


def test_no_evaluation_prompt_is_near_a_training_prompt():
    training: dict[str, list[tuple[str, frozenset[str]]]] = {}
    for prompt in general_training_prompts():
        about = content_words(prompt)
        for word in about:
            training.setdefault(word, []).append((prompt, about))
    near = {
        (held_out, prompt)
        for held_out in GENERAL_EVAL_PROMPTS
        for word in content_words(held_out)
        for prompt, about in training.get(word, [])
        if similarity(content_words(held_out), about) >= 0.6
    }
    assert near == set()


def test_both_sets_hold_many_short_questions_that_could_be_about_a_document():
    for prompts in (GENERAL_EVAL_PROMPTS, general_training_prompts()):
        short = [p for p in prompts if p.startswith(("Who ", "When ", "Where ", "How many ", "Which ", "What "))]
        assert len([p for p in short if len(words(p)) <= 10]) >= len(prompts) / 4
        for opening in ("Who ", "When ", "Where ", "How many "):
            assert any(p.startswith(opening) for p in short)


def test_prompts_are_clean_lines():
    for prompt in GENERAL_EVAL_PROMPTS + general_training_prompts():
        assert prompt == prompt.strip() and prompt
        assert "{}" not in prompt and ";;" not in prompt and not prompt.startswith("=")
