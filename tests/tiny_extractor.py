"""A tiny random encoder on disk, and extractors that use it."""

import torch
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

from lorify.extraction.config import ExtractorConfig
from lorify.extraction.extractor import Extractor
from lorify.extraction.model import ExtractorNetwork, load_encoder

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]


def write_encoder(folder, *, num_blocks: int = 2, size: int = 32) -> None:
    """Write a BERT of random weights whose tokens are characters."""
    characters = [chr(code) for code in range(33, 127)]
    vocabulary = {token: i for i, token in enumerate([*SPECIAL, *characters, *(f"##{c}" for c in characters)])}
    core = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]", max_input_chars_per_word=200))
    core.normalizer = normalizers.Lowercase()
    core.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    core.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=core,
        pad_token="[PAD]",
        unk_token="[UNK]",
        cls_token="[CLS]",
        sep_token="[SEP]",
        model_input_names=["input_ids", "token_type_ids", "attention_mask"],
    )
    tokenizer.save_pretrained(folder)
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(vocabulary),
        hidden_size=size,
        num_hidden_layers=num_blocks,
        num_attention_heads=2,
        intermediate_size=2 * size,
        max_position_embeddings=512,
    )
    BertModel(config).save_pretrained(folder)


def tiny_extractor_config(folder, **changes) -> ExtractorConfig:
    if not (folder / "config.json").is_file():
        write_encoder(folder)
    return ExtractorConfig(encoder=str(folder), rank=4, **{"max_tokens": 128, "max_question_tokens": 32, **changes})


def tiny_extractor(folder, **changes) -> Extractor:
    config = tiny_extractor_config(folder, **changes)
    encoder, tokenizer, digest = load_encoder(config)
    torch.manual_seed(1)
    network = ExtractorNetwork(encoder, config.rank).eval()
    for name, parameter in network.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter, std=0.3)
    return Extractor(network, tokenizer, config.model_copy(update={"encoder_digest": digest}))
