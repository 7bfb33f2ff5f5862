"""Reading comprehension from JSON lines, one question a line, and its split into training and held-out passages."""

import hashlib
import json
import re
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lorify.data.examples import Example, Question
from lorify.errors import EvaluationError

# Passages that share a run of this many words stay together. Eight words are rare enough outside copied text: with six,
# stock phrases chain a tenth of a mixed corpus into one group.
SHINGLE_WORDS = 8
# A run is looked at only where it starts with one of a quarter of all words, which quarters time and memory.
SHINGLE_SAMPLING = 4

_WORD = re.compile(r"[^\W_]+")


def load_question_examples(
    path: Path, *, max_context_chars: int | None = None, max_answer_chars: int | None = None
) -> list[Example]:
    """Read questions from JSON lines and group those about one passage of one file into one example.

    A line is an object with `context`, `question` and `answers` (a list of strings, the one to train on first); other
    fields are ignored. A question that comes twice on a passage becomes one with all the answers.

    Args:
        path: a file, or a folder, of which every `.jsonl` file is read, in the order of their names.
        max_context_chars: leave out passages of more characters.
        max_answer_chars: leave out questions whose first answer has more characters.

    Returns:
        Examples of one document each, in the order of their first lines; `source` is the file's name without its end.

    Raises:
        EvaluationError: the path is missing or holds no `.jsonl` file, a line is not as above (its number is given),
            or no question is left.
    """
    paths = sorted(path.glob("*.jsonl")) if path.is_dir() else [path]
    if not paths:
        raise EvaluationError(f"{path} holds no .jsonl file; expected files of one question a line")
    examples = [example for file in paths for example in _load_file(file, max_context_chars, max_answer_chars)]
    if not examples:
        raise EvaluationError(f"{path} gave no questions; expected at least one line, within the length limits if any")
    return examples


def split_by_passage(
    examples: Sequence[Example], heldout_fraction: float = 0.05, seed: int = 0
) -> tuple[list[Example], list[Example]]:
    """Split into training and held-out examples such that no passage, nor nearly the same passage, is in both.

    Passages that share runs of eight words (case and punctuation aside) form one group, and so do passages that are
    joined through others; a group goes one way as a whole. A quarter of all runs is looked at: a shared sentence or two
    is found nearly always, a single shared run one time in four. That keeps retellings, windows and other printings of
    a text together, not different paragraphs of one article: hold out whole sources where those matter.
    The way is drawn from the texts themselves: order does not change it, nor do added passages that join no group,
    except that of two or more groups at least one goes each way, unless all or none is to be held out.

    Args:
        examples: examples to split; about 25,000 take a few seconds of one core.
        heldout_fraction: share of the groups to hold out, about, between 0 and 1.
        seed: another seed draws another split.

    Returns:
        (training examples, held-out examples), each in the order given.

    Raises:
        EvaluationError: `heldout_fraction` is not between 0 and 1.
    """
    heldout = heldout_texts(["\n".join(example.documents) for example in examples], heldout_fraction, seed)
    train = [example for example, is_heldout in zip(examples, heldout, strict=True) if not is_heldout]
    return train, [example for example, is_heldout in zip(examples, heldout, strict=True) if is_heldout]


def heldout_texts(texts: Sequence[str], heldout_fraction: float = 0.05, seed: int = 0) -> list[bool]:
    """Of each text, whether it is held out; see `split_by_passage`.

    Raises:
        EvaluationError: `heldout_fraction` is not between 0 and 1.
    """
    if not 0 <= heldout_fraction <= 1:
        raise EvaluationError(f"held-out fraction {heldout_fraction} is out of range; expected a value from 0 to 1")
    groups = _near_duplicate_groups(texts)
    # A group is named by the smallest digest of its texts, hashed again: large groups would else draw low too often.
    names: dict[int, bytes] = {}
    for text, group in zip(texts, groups, strict=True):
        digest = hashlib.sha256(text.encode()).digest()
        names[group] = min(names.get(group, digest), digest)
    drawn = sorted((_uniform(name, seed), group) for group, name in names.items())
    heldout = {group for number, group in drawn if number < heldout_fraction}
    if len(drawn) > 1 and 0 < heldout_fraction < 1:
        heldout = (heldout or {drawn[0][1]}) - ({drawn[-1][1]} if len(heldout) == len(drawn) else set())
    return [group in heldout for group in groups]


def _load_file(path: Path, max_context_chars: int | None, max_answer_chars: int | None) -> list[Example]:
    passages: dict[str, dict[str, list[str]]] = {}  # context -> question -> answers
    try:
        with path.open(encoding="utf-8") as lines:
            for number, line in enumerate(lines, start=1):
                if not line.strip():
                    continue
                context, question, answers = parse_question_line(line, f"{path}, line {number}")
                if max_context_chars is not None and len(context) > max_context_chars:
                    continue
                if max_answer_chars is not None and len(answers[0]) > max_answer_chars:
                    continue
                passages.setdefault(context, {}).setdefault(question, []).extend(answers)
    except FileNotFoundError:
        raise EvaluationError(f"{path} does not exist; expected a .jsonl file or a folder of them") from None
    except (OSError, UnicodeDecodeError) as error:
        raise EvaluationError(f"{path} cannot be read as UTF-8 text: {error}") from error
    return [
        Example(
            (context,),
            tuple(Question(text, tuple(dict.fromkeys(answers))) for text, answers in questions.items()),
            path.stem,
        )
        for context, questions in passages.items()
    ]


def parse_question_line(line: str, place: str, *, about: str = "context") -> tuple[str, str, list[str]]:
    """What a question is about, its text and its answers, from a JSON object on a line.

    Args:
        line: the line.
        place: file and line number, for messages.
        about: field that says what the question is about.

    Raises:
        EvaluationError: if a field is missing or is not what it should be.
    """
    try:
        row: Any = json.loads(line)
    except json.JSONDecodeError as error:
        raise EvaluationError(f"{place}: not JSON ({error.msg}); expected one object a line") from None
    if not isinstance(row, dict):
        raise EvaluationError(f"{place}: not a JSON object; expected {about}, question and answers")
    for field in (about, "question"):
        if not isinstance(row.get(field), str) or not row[field].strip():
            raise EvaluationError(f"{place}: field '{field}' is missing or empty; expected a text")
    answers = row.get("answers")
    if not isinstance(answers, list) or not answers or not all(isinstance(answer, str) for answer in answers):
        raise EvaluationError(f"{place}: field 'answers' is missing or empty; expected a list of texts")
    return row[about], row["question"], answers


def _near_duplicate_groups(texts: Sequence[str]) -> list[int]:
    """Group number of each text; texts that share a sampled run of words are joined (union-find)."""
    parents = list(range(len(texts)))

    def find(index: int) -> int:
        while parents[index] != index:
            parents[index] = index = parents[parents[index]]
        return index

    is_start: dict[str, bool] = {}  # by a hash that is the same in every process
    first_seen: dict[int, int] = {}
    for index, text in enumerate(texts):
        words = _WORD.findall(text.lower())
        shingles = {hash(tuple(words))}  # the whole text, for one too short to hold a run
        for start in range(len(words) - SHINGLE_WORDS + 1):
            word = words[start]
            if word not in is_start:
                is_start[word] = zlib.crc32(word.encode()) % SHINGLE_SAMPLING == 0
            if is_start[word]:
                shingles.add(hash(tuple(words[start : start + SHINGLE_WORDS])))
        for shingle in shingles:
            parents[find(index)] = find(first_seen.setdefault(shingle, index))
    return [find(index) for index in range(len(texts))]


def _uniform(name: bytes, seed: int) -> float:
    """A number in [0, 1) that depends on name and seed only."""
    return int.from_bytes(hashlib.sha256(f"{seed}:".encode() + name).digest()[:6]) / 2**48
