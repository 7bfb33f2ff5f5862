import json
import math
import shutil
import warnings

import pytest
import torch
from tiny import tiny_base
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers import BertConfig, BertModel, GteConfig, GteModel, PreTrainedTokenizerFast

from lorify.contexts.descriptions.encoder_files import DEFAULT_EMBEDDER
from lorify.contexts.descriptions.encoding import SentenceEncoder, load_description_encoder
from lorify.contexts.descriptions.text import DescriptionWarning, looks_english
from lorify.errors import ContextError

WORDS = "classify the review as positive or negative sort these numbers . answer in one word".split()
DESCRIPTIONS = ["Classify the review as positive or negative.", "Sort these numbers.", "Answer in one word"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A tiny random sentence encoder as sentence-transformers saves it, with mean pooling."""
    folder = tmp_path_factory.mktemp("embedder")
    vocabulary = {word: index for index, word in enumerate(["[PAD]", "[UNK]", "[CLS]", "[SEP]", *dict.fromkeys(WORDS)])}
    core = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    core.normalizer = normalizers.Lowercase()
    core.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    core.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    PreTrainedTokenizerFast(tokenizer_object=core, pad_token="[PAD]", unk_token="[UNK]").save_pretrained(folder)
    torch.manual_seed(0)
    size = {"hidden_size": 24, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 48}
    BertModel(BertConfig(vocab_size=len(vocabulary), max_position_embeddings=64, **size)).save_pretrained(folder)
    kinds = {"": "Transformer", "1_Pooling": "Pooling", "2_Normalize": "Normalize"}
    modules = [{"path": path, "type": f"sentence_transformers.models.{kind}"} for path, kind in kinds.items()]
    (folder / "modules.json").write_text(json.dumps(modules))
    (folder / "sentence_bert_config.json").write_text(json.dumps({"max_seq_length": 16}))
    (folder / "1_Pooling").mkdir()
    set_pooling(folder, "mean_tokens")
    return folder


def set_pooling(folder, *modes):
    known = ("mean_tokens", "cls_token", "lasttoken", "max_tokens")
    options = {f"pooling_mode_{mode}": mode in modes for mode in known}
    (folder / "1_Pooling" / "config.json").write_text(json.dumps({"word_embedding_dimension": 24, **options}))


@pytest.fixture
def own_folder(folder, tmp_path):
    return shutil.copytree(folder, tmp_path / "embedder")


def load(folder) -> SentenceEncoder:
    encoder = load_description_encoder(str(folder))
    assert isinstance(encoder, SentenceEncoder)
    return encoder


def hidden_states(encoder, text):
    ids = torch.tensor([encoder.tokenizer(text)["input_ids"]])
    return encoder.model(input_ids=ids).last_hidden_state[0]


@pytest.mark.parametrize(
    ("mode", "pooled"),
    [
        ("mean_tokens", lambda hidden: hidden.mean(0)),
        ("cls_token", lambda hidden: hidden[0]),
        ("lasttoken", lambda hidden: hidden[-1]),
    ],
)
def test_pools_as_the_folder_says_to_unit_root_mean_square(own_folder, mode, pooled):
    set_pooling(own_folder, mode)
    encoder = load(own_folder)
    expected = pooled(hidden_states(encoder, "Sort these numbers."))
    found = encoder.encode(["Sort these numbers."])[0]
    torch.testing.assert_close(found, expected / expected.norm() * math.sqrt(24))


def test_batched_equals_one_by_one(folder):
    encoder = load(folder)
    alone = torch.cat([encoder.encode([text]) for text in DESCRIPTIONS])
    torch.testing.assert_close(encoder.encode(DESCRIPTIONS), alone)


def test_a_missing_full_stop_and_outer_space_change_nothing(folder):
    encoder = load(folder)
    one, other = encoder.encode(["Sort these numbers.", " Sort these numbers\n"])
    torch.testing.assert_close(one, other)


def test_weights_decide_the_digest(folder, own_folder):
    assert load(folder).digest == load(own_folder).digest
    model = BertModel.from_pretrained(own_folder)
    torch.nn.init.ones_(model.embeddings.word_embeddings.weight)
    model.save_pretrained(own_folder)
    assert load(folder).digest != load(own_folder).digest


def test_base_encodes_with_its_last_token():
    base = tiny_base()
    encoder = load_description_encoder("base", base=base)
    ids = torch.tensor([base.encode_text("Sort.")])
    expected = base.decoder(input_ids=ids).last_hidden_state[0, -1]
    found = encoder.encode(["Sort.", "Answer in one word."])[0]
    torch.testing.assert_close(found, expected / expected.norm() * math.sqrt(base.hidden_size))
    assert (encoder.size, encoder.digest) == (base.hidden_size, base.digest)


def test_gte_models_in_their_first_form_keep_their_weights_and_frequencies(own_folder):
    torch.manual_seed(0)
    size = {"hidden_size": 32, "num_attention_heads": 2, "num_hidden_layers": 1, "intermediate_size": 48}
    size |= {"vocab_size": 20, "type_vocab_size": 2, "max_position_embeddings": 64}
    model = GteModel(GteConfig(**size))
    model.save_pretrained(own_folder)  # the tensors have their first names on disk
    rope = {"rope_theta": 500.0, "rope_scaling": {"type": "ntk", "factor": 2.0}, "pack_qkv": True}
    (own_folder / "config.json").write_text(json.dumps({"model_type": "new", **size, **rope}))
    read = load(own_folder).model
    for name, parameter in model.named_parameters():
        torch.testing.assert_close(read.get_parameter(name), parameter, rtol=0, atol=0)
    frequencies = (2 * 500.0) ** (-torch.arange(0, 16, 2) / 16) / 2 ** (2 / 16)
    torch.testing.assert_close(read.rotary_emb.inv_freq, frequencies)


@pytest.mark.parametrize(
    ("description", "message"),
    [
        ("", "is empty"),
        (" \n\t", "is empty"),
        ("sort " * 20, "has 23 tokens, but .* reads at most 16"),
        ("sort " * 100_000, "has 499,999 characters"),
    ],
)
def test_empty_and_enormous_descriptions_are_refused_in_one_line(folder, description, message):
    with pytest.raises(ContextError, match=message) as caught:
        load(folder).encode([DESCRIPTIONS[0], description])
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "english"),
    [
        ("Classify the sentiment of the review as positive or negative.", True),
        ("Sort numbers.", True),
        ("Réponds à la question en une seule phrase, en français.", False),
        ("Übersetze den folgenden Satz ins Englische und gib nur die Übersetzung aus.", False),
        ("Traduce la siguiente frase al inglés y responde solo con la traducción.", False),
        ("将以下句子翻译成英文，只输出译文。", False),
        ("Переведи предложение.", False),
        ("7@9.qwepra#/.sd,s'2OC^039u#rdagjbL", False),
    ],
)
def test_foreign_languages_are_noticed(folder, text, english):
    assert looks_english(text) == english
    encoder = load(folder)
    encoder.name, encoder.max_tokens = DEFAULT_EMBEDDER, 64  # only the default is known to read English alone
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        encoder.encode([text])
    assert [entry.category for entry in caught] == ([] if english else [DescriptionWarning])


def without_weights(folder):
    (folder / "model.safetensors").unlink()


def truncated_weights(folder):
    data = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(data[: len(data) // 2])


def damaged_modules(folder):
    (folder / "modules.json").write_text("[")


def dense_module(folder):
    modules = json.loads((folder / "modules.json").read_text())
    modules.append({"path": "3_Dense", "type": "sentence_transformers.models.Dense"})
    (folder / "modules.json").write_text(json.dumps(modules))


def max_pooling(folder):
    set_pooling(folder, "max_tokens")


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (without_weights, "is not a sentence encoder"),
        (truncated_weights, "cannot be read"),
        (damaged_modules, "modules.json is damaged"),
        (dense_module, "kind Dense, which is not supported"),
        (max_pooling, "pools by pooling_mode_max_tokens"),
    ],
)
def test_unusable_encoders_are_refused_in_one_line(own_folder, damage, message):
    damage(own_folder)
    with pytest.raises(ContextError, match=message) as caught:
        load_description_encoder(str(own_folder))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("name", "message"), [("nonsense", "is not known"), ("base", "needs a loaded base")])
def test_unknown_names_are_refused(name, message):
    with pytest.raises(ContextError, match=message):
        load_description_encoder(name)


@pytest.mark.shipped
def test_default_encoder_knows_what_is_alike():
    encoder = load_description_encoder()
    sentiment, also_sentiment, sorting = encoder.encode(
        ["Say if the review is positive.", "Decide whether a critic liked the film.", "Sort the numbers upwards."]
    )
    assert torch.cosine_similarity(sentiment, also_sentiment, 0) > torch.cosine_similarity(sentiment, sorting, 0) + 0.1
