"""What extractors find, and extractors on disk."""

import json
from concurrent.futures import ThreadPoolExecutor
from unittest.mock import patch

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file
from tiny_extractor import tiny_extractor, write_encoder
from transformers import AutoTokenizer, DistilBertConfig, DistilBertModel

from lorify.errors import ExtractorError
from lorify.extraction.extractor import answer_log_probabilities
from lorify.extraction.inputs import MAX_INPUTS, encode_inputs, stack_inputs
from lorify.extraction.model import ExtractorLogits
from lorify.extraction.storage import load_extractor, save_extractor

TEXT = "The mill opens at nine. Its owner is Ada Holm, who keeps bees."
QUESTION = "Who owns the mill?"


@pytest.fixture(scope="module")
def encoder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("encoder")
    write_encoder(folder)
    return folder


class Pointing(torch.nn.Module):
    """Stands in for a network: an answer begins at one character and ends at another, wherever they are."""

    def __init__(self, extractor, begin: str, end: str, none: float = 0.0):
        super().__init__()
        self.head, self.forms = extractor.network.head, torch.zeros(3)
        ids = extractor.tokenizer.convert_tokens_to_ids
        self.begin, self.end, self.none = [ids(begin), ids(f"##{begin}")], [ids(end), ids(f"##{end}")], none

    def forward(self, ids, mask, types):
        begins, ends = (10.0 * torch.isin(ids, torch.tensor(wanted)).float() for wanted in (self.begin, self.end))
        begins[:, 0] = ends[:, 0] = self.none
        return ExtractorLogits(begins, ends, self.forms.expand(len(ids), -1))


def pointing(encoder, *where, **options):
    extractor = tiny_extractor(encoder)
    return type(extractor)(Pointing(extractor, *where, **options), extractor.tokenizer, extractor.config)


def test_words_are_where_the_network_points(encoder):
    (words,) = pointing(encoder, "9", "8").find([("Which?", "It is 9 and 7 or 8 now")])
    assert "It is 9 and 7 or 8 now"[words.begin : words.end] == "9 and 7 or 8"
    assert words.probability > 0.9 and words.stated > 0.9


class Preferring(torch.nn.Module):
    """Stands in for a network: any one token may be the answer, the one with the first id rather than the second."""

    def __init__(self, extractor, first: str, second: str):
        super().__init__()
        self.head = extractor.network.head
        self.first, self.second = (extractor.tokenizer.convert_tokens_to_ids(token) for token in (first, second))

    def forward(self, ids, mask, types):
        scores = 11.0 * (ids == self.first) + 10.5 * (ids == self.second)
        return ExtractorLogits(scores, scores, torch.zeros(len(ids), 3))


@pytest.mark.parametrize(
    ("given", "expected"), [([], "9"), (["9."], "7"), (["the 9"], "7"), (["19", "", "It"], "9"), (["7"], "9")]
)
def test_an_answer_that_was_given_before_is_rarely_found_again(encoder, given, expected):
    extractor = tiny_extractor(encoder)
    extractor = type(extractor)(Preferring(extractor, "9", "7"), extractor.tokenizer, extractor.config)
    text = "It is 7 or 9"
    first, second = extractor.find([("Which?", text), ("Which?", text)], [given, []])
    assert (text[first.begin : first.end], text[second.begin : second.end]) == (expected, "9")
    if expected != "9":  # what the answer before loses makes the other one likely
        assert 0.5 < first.probability <= 1.0


def test_marks_in_the_question_are_not_words_of_the_text(encoder):
    (words,) = pointing(encoder, "9", "9").find([("Is it 9?", "It is 9.")])
    assert (words.begin, words.end) == (6, 7)


def test_a_text_without_the_answer_does_not_state_it(encoder):
    (words,) = pointing(encoder, "9", "8", none=20.0).find([("Which?", "It is 9 or 8.")])
    assert words.probability < 0.01 and words.stated < 0.01


def test_an_answer_does_not_end_before_it_begins(encoder):
    (words,) = pointing(encoder, "9", "8").find([("Which?", "8 then 9 then done")])
    assert words.begin <= words.end and words.probability < 0.01


def test_the_end_of_a_long_text_is_read_too(encoder):
    text = "word " * 60 + "9 8"
    (words,) = pointing(encoder, "9", "8").find([("Which?", text)])
    assert text[words.begin : words.end] == "9 8"


def test_a_verdict_has_its_probability(encoder):
    extractor = pointing(encoder, "9", "8")
    forms = torch.tensor([0.1, 0.2, 0.7]).log()
    with patch.object(extractor.network, "forms", forms):
        (words,) = extractor.find([("Is it?", TEXT)])
    assert words.verdict == pytest.approx(0.9)


def test_an_extractor_of_the_first_version_answers_with_words(encoder, tmp_path):
    extractor = tiny_extractor(encoder)
    save_extractor(tmp_path / "saved", extractor.config, extractor.network)
    change_config(tmp_path / "saved", format_version=1)
    weights = load_file(tmp_path / "saved" / "extractor.safetensors")
    save_file(
        {name: tensor for name, tensor in weights.items() if not name.startswith("form_head")},
        tmp_path / "saved" / "extractor.safetensors",
    )
    (words,), (known,) = (each.find([(QUESTION, TEXT)]) for each in (load_extractor(tmp_path / "saved"), extractor))
    assert words.verdict < 0.04 and words.probability == pytest.approx(known.probability, abs=0.01)


def test_a_text_without_words_has_none(encoder):
    extractor = tiny_extractor(encoder)
    found = extractor.find([(QUESTION, ""), (QUESTION, " "), (QUESTION, TEXT)])
    assert found[:2] == [None, None] and found[2] is not None
    assert extractor.find([]) == []


def test_whole_words_are_found_where_the_network_points_into_one(encoder):
    text = "It is 19x3 or so"
    (words,) = pointing(encoder, "9", "x").find([("Which?", text)])
    assert text[words.begin : words.end] == "19x3"


def test_special_tokens_in_a_text_are_text(encoder):
    extractor = tiny_extractor(encoder)
    (source,) = encode_inputs(extractor.tokenizer, extractor.config, "[SEP]?", "a [SEP] b [CLS] c")
    assert source.ids.count(extractor.tokenizer.sep_token_id) == 2
    assert source.ids.count(extractor.tokenizer.cls_token_id) == 1


def test_a_text_of_endless_marks_takes_a_limited_number_of_inputs(encoder):
    extractor = tiny_extractor(encoder)
    assert len(encode_inputs(extractor.tokenizer, extractor.config, QUESTION, "=" * 50_000)) == MAX_INPUTS


def test_threads_do_not_disturb_each_other(encoder):
    extractor = tiny_extractor(encoder)
    pairs = [(QUESTION * number, TEXT * (9 - number)) for number in range(1, 8)]
    alone = [extractor.find([pair]) for pair in pairs]
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(lambda pair: extractor.find([pair]), pairs * 5)) == alone * 5


def test_together_is_as_alone(encoder):
    extractor = tiny_extractor(encoder)
    pairs = [(QUESTION, TEXT), ("When?", TEXT[:23]), ("What do they keep? " * 9, TEXT * 5), (QUESTION, "Ada.")]
    for together, (alone,) in zip(extractor.find(pairs), [extractor.find([pair]) for pair in pairs], strict=True):
        assert together is not None and alone is not None
        assert together[:2] == alone[:2] and together[2:] == pytest.approx(alone[2:], abs=1e-4)


@settings(deadline=None, max_examples=40)
@given(question=st.text(max_size=200), text=st.text(max_size=300))
def test_every_token_of_any_text_is_in_an_input_of_allowed_length(encoder, question, text):
    extractor = tiny_extractor(encoder)
    inputs = encode_inputs(extractor.tokenizer, extractor.config, question, text)
    whole = extractor.tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)["offset_mapping"]
    assert {tuple(offset) for each in inputs for offset in each.offsets} == set(map(tuple, whole))
    assert all(len(each.ids) <= extractor.config.max_tokens for each in inputs)
    if inputs:
        batch = stack_inputs(inputs)
        allowed = answer_log_probabilities(
            ExtractorLogits(batch.ids.float(), batch.ids.float(), torch.zeros(len(batch.ids), 3)), batch.is_allowed
        ).begins
        assert torch.allclose(allowed.exp().sum(-1), torch.ones(len(inputs)), atol=1e-5)
        assert (batch.is_allowed.sum(-1) == torch.tensor([1 + len(each.text_tokens) for each in inputs])).all()


def test_a_saved_extractor_finds_the_same(encoder, tmp_path):
    extractor = tiny_extractor(encoder)
    save_extractor(tmp_path / "saved", extractor.config, extractor.network)
    loaded = load_extractor(tmp_path / "saved")
    (own,), (again,) = (each.find([(QUESTION, TEXT)]) for each in (extractor, loaded))
    assert own is not None and again is not None
    assert own[2:] == pytest.approx(again[2:], abs=0.01)  # stored in float16
    (half,) = load_extractor(tmp_path / "saved", dtype=torch.bfloat16).find([(QUESTION, TEXT)])
    assert half is not None and half[2:] == pytest.approx(again[2:], abs=0.1)


@pytest.mark.parametrize("name", ["extractor.json", "extractor.safetensors"])
@pytest.mark.parametrize("content", [None, b"", b"{}", b"\xff\xfe"])
def test_a_damaged_extractor_is_refused(encoder, tmp_path, name, content):
    extractor = tiny_extractor(encoder)
    save_extractor(tmp_path / "saved", extractor.config, extractor.network)
    if content is None:
        (tmp_path / "saved" / name).unlink()
    else:
        (tmp_path / "saved" / name).write_bytes(content)
    with pytest.raises(ExtractorError, match="is not an extractor, or damaged"):
        load_extractor(tmp_path / "saved")


def test_weights_of_another_rank_are_refused(encoder, tmp_path):
    extractor = tiny_extractor(encoder)
    save_extractor(tmp_path / "saved", extractor.config, extractor.network)
    change_config(tmp_path / "saved", rank=5)
    with pytest.raises(ExtractorError, match=r"lora_A is \(4, 32\), expected \(5, 32\)"):
        load_extractor(tmp_path / "saved")


def change_config(folder, **changes) -> None:
    path = folder / "extractor.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"format_version": 3}, "has format version 3, expected at most 2"),
        ({"encoder_digest": ""}, "has no encoder_digest"),
        ({"max_tokens": 1024}, "reads 512 tokens, and max_tokens is 1024"),
        ({"max_tokens": 64, "max_question_tokens": 60}, "leaves too little for the text"),
    ],
)
def test_a_config_that_does_not_fit_is_refused(encoder, tmp_path, changes, message):
    extractor = tiny_extractor(encoder)
    save_extractor(tmp_path / "saved", extractor.config, extractor.network)
    change_config(tmp_path / "saved", **changes)
    with pytest.raises(ExtractorError, match=message):
        load_extractor(tmp_path / "saved")


def test_an_encoder_of_another_kind_is_refused(encoder, tmp_path):
    tokenizer = AutoTokenizer.from_pretrained(encoder)
    tokenizer.save_pretrained(tmp_path)
    shape = {"dim": 32, "n_layers": 1, "n_heads": 2, "hidden_dim": 64, "vocab_size": len(tokenizer)}
    DistilBertModel(DistilBertConfig(**shape)).save_pretrained(tmp_path)
    with pytest.raises(ExtractorError, match=r"is a DistilBertModel .* needs a BERT"):
        tiny_extractor(tmp_path)


def test_another_encoder_is_refused(encoder, tmp_path):
    extractor = tiny_extractor(encoder)
    other = extractor.config.model_copy(update={"encoder_digest": "0" * 64})
    save_extractor(tmp_path / "saved", other, extractor.network)
    with pytest.raises(ExtractorError, match="trained with other weights"):
        load_extractor(tmp_path / "saved")


def test_a_missing_encoder_is_named(encoder, tmp_path):
    extractor = tiny_extractor(encoder)
    gone = extractor.config.model_copy(update={"encoder": str(tmp_path / "gone")})
    save_extractor(tmp_path / "saved", gone, extractor.network)
    with pytest.raises(ExtractorError, match=r"encoder .*gone.* of the extractor cannot be read"):
        load_extractor(tmp_path / "saved")
