from pathlib import Path

import pyarrow.parquet as pq
import pytest
from data.self_generated.published_files import published_row, write_published
from tiny import tiny_base

from lorify.base.chat.prompts import build_prompt_ids, question_messages
from lorify.contexts.encoders.encoding import context_affixes
from lorify.data.self_generated.published import ChatTokens, TokenizedContext
from lorify.data.self_generated.sets import load_sets
from lorify.data.self_generated.store import SelfGeneratedQuestion
from lorify.errors import EvaluationError

SQUAD = "tiny_temp_0.0_closed_qa_prob_1.0/squad_compact/train/ds_0000.parquet"


@pytest.fixture(scope="module")
def base():
    return tiny_base()


def chat(base) -> ChatTokens:
    return ChatTokens(base.tokenizer, *context_affixes(base.tokenizer, system_turn=True))


def write_sets(base, root: Path) -> None:
    """Two sets: 4 contexts with 0 to 3 questions in two files, and 2 contexts with one question each."""
    rows = [published_row(base, f"Mill {i}.", [f"Who keeps {n}?" for n in range(i)]) for i in range(4)]
    write_published(root / SQUAD, rows[:2])
    write_published((root / SQUAD).with_name("ds_0001.parquet"), rows[2:])
    write_published(
        root / "tiny/pwc_compact/train/ds.parquet", [published_row(base, f"Boat {i}.", ["?"]) for i in "ab"]
    )


def test_contexts_questions_answers_and_predictions_are_those_of_the_file(base, tmp_path):
    write_sets(base, tmp_path)
    found = load_sets(tmp_path, base.digest, chat(base))
    assert [example.documents[0] for example in found] == ["Boat a.", "Boat b.", *(f"Mill {i}." for i in range(4))]
    assert [len(example.questions) for example in found] == [1, 1, 0, 1, 2, 3]
    context = found[5]
    assert isinstance(context, TokenizedContext)
    assert context.context_ids == tuple(base.encode_text("Mill 3."))
    question = context.questions[2]
    assert isinstance(question, SelfGeneratedQuestion)
    assert question.prompt_ids == tuple(build_prompt_ids(base.tokenizer, question_messages("Who keeps 2?")))
    assert base.decode_text(question.answer_ids) == "Ada"
    assert question.answer_ids[-1] == base.tokenizer.convert_tokens_to_ids("<|im_end|>")
    assert question.top_k == 2 and question.top_log_probs[:2] == (-0.25, -2.0)
    assert question.top_ids == tuple(token for answer in question.answer_ids for token in (answer, 7))


def test_a_folder_is_a_set_and_patterns_choose_files(base, tmp_path):
    write_sets(base, tmp_path)
    sets = load_sets(tmp_path, base.digest, chat(base)).sets
    assert [(len(part), [len(shard) for shard in part.shards]) for part in sets] == [(2, [2]), (4, [2, 2])]
    assert sets[0].num_questions == 2
    chosen = load_sets(tmp_path, base.digest, chat(base), patterns=["*/squad_compact/**/*_0001.parquet"])
    assert [example.documents[0] for example in chosen] == ["Mill 2.", "Mill 3."]
    with pytest.raises(EvaluationError, match="matches '\\*/drop_compact"):
        load_sets(tmp_path, base.digest, chat(base), patterns=["*/drop_compact/*.parquet"])


def test_validation_files_are_held_out_or_else_the_last_contexts(base, tmp_path):
    write_sets(base, tmp_path)
    train, heldout = load_sets(tmp_path, base.digest, chat(base)).split()
    assert [example.documents[0] for example in heldout] == ["Boat b.", "Mill 3."]
    assert [example.documents[0] for example in train] == ["Boat a.", "Mill 0.", "Mill 1.", "Mill 2."]
    write_published((tmp_path / SQUAD).with_name("ds_level_0_val_0000.parquet"), [published_row(base, "Tower.", ["?"])])
    train, heldout = load_sets(tmp_path, base.digest, chat(base)).split()
    assert [example.documents[0] for example in heldout] == ["Boat b.", "Tower."]
    assert len(train) == 5


def _rename(path: Path) -> None:
    table = pq.read_table(path)
    pq.write_table(table.rename_columns(["ctx_ids", "input_ids", "response_start_end", "logprobs", "x"]), path)


def _flatten(path: Path) -> None:
    table = pq.read_table(path)
    pq.write_table(table.set_column(1, "input_ids", table["ctx_ids"]), path)


@pytest.mark.parametrize(
    ("damage", "problem"),
    [
        (_rename, r"ds_0000\.parquet lacks the column logprobs_vals \(it has ctx_ids, .*, logprobs, x\); expected"),
        (_flatten, r"column input_ids of .*ds_0000\.parquet is not nested in 2 lists"),
        (lambda path: path.write_bytes(path.read_bytes()[:200]), r"ds_0000\.parquet is damaged .*download it again"),
    ],
)
def test_damaged_and_renamed_files_are_named_before_anything_is_read(base, tmp_path, damage, problem):
    write_sets(base, tmp_path)
    damage(tmp_path / SQUAD)
    with pytest.raises(EvaluationError, match=problem):
        load_sets(tmp_path, base.digest, chat(base))


@pytest.mark.parametrize(
    ("column", "value", "problem"),
    [
        ("ctx_ids", [5, 6, 7], "is not in the chat of the loaded base"),
        ("response_start_end", [[5, 900]], "has an answer outside of its tokens"),
        ("logprobs_indices", [[[1, 2]]], "lacks predictions for an answer"),
        ("logprobs_vals", [], "has columns of different lengths"),
    ],
)
def test_rows_that_contradict_themselves_are_refused(base, tmp_path, column, value, problem):
    write_published(tmp_path / "ds.parquet", [published_row(base, "Mill.", ["Who?"]) | {column: value}])
    with pytest.raises(EvaluationError, match=rf"context 0 of .*ds\.parquet {problem}"):
        load_sets(tmp_path, base.digest, chat(base))[0]


def test_a_space_after_the_chat_is_ignored(base, tmp_path):
    row = published_row(base, "Mill.", ["Who?"])
    row["ctx_ids"] += base.encode_text(" ")
    write_published(tmp_path / "ds.parquet", [row])
    context = load_sets(tmp_path, base.digest, chat(base))[0]
    assert isinstance(context, TokenizedContext) and context.context_ids == tuple(base.encode_text("Mill."))


def test_a_folder_without_data_says_so(base, tmp_path):
    with pytest.raises(EvaluationError, match="no self-generated data"):
        load_sets(tmp_path, base.digest, chat(base))
