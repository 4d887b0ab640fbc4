"""A tiny random BERT and GPT-2 in a folder, as Hugging Face writes them; nothing is downloaded."""

from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers import BertConfig, BertForMaskedLM, BertModel, GPT2Config, GPT2LMHeadModel, PreTrainedTokenizerFast

WORDS = [
    "red", "blue", "green", "tea", "pot", "cup", "kettle", "shoe", "sock", "boot", "for", "running", "drinking",
    "a", "the", "of", "good", "bad",
]  # fmt: skip
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]


def tiny_bert(folder: Path, head: bool = False, layers: int = 1) -> Path:
    """Write a BERT that knows WORDS and single digits only."""
    pieces = [*SPECIAL, *WORDS, *(str(d) for d in range(10)), *(f"##{d}" for d in range(10)), ".", ">"]
    vocabulary = {w: i for i, w in enumerate(pieces)}
    backend = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    backend.normalizer = normalizers.BertNormalizer(lowercase=True)
    backend.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    backend.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=backend, unk_token="[UNK]", pad_token="[PAD]", cls_token="[CLS]", sep_token="[SEP]",
        mask_token="[MASK]",
    )  # fmt: skip
    config = BertConfig(
        vocab_size=len(vocabulary), hidden_size=32, num_hidden_layers=layers, num_attention_heads=2,
        intermediate_size=32, max_position_embeddings=64,
    )  # fmt: skip
    return _write(folder, tokenizer, BertForMaskedLM if head else BertModel, config)


def tiny_gpt2(folder: Path, layers: int = 1) -> Path:
    """Write a GPT-2 that reads bytes."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {c: i for i, c in enumerate([*alphabet, "<|endoftext|>"])}
    backend = Tokenizer(models.BPE(vocabulary, merges=[]))
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=backend, eos_token="<|endoftext|>")
    config = GPT2Config(vocab_size=len(vocabulary), n_embd=32, n_layer=layers, n_head=2, n_positions=64)
    return _write(folder, tokenizer, GPT2LMHeadModel, config)


def _write(folder: Path, tokenizer: Any, kind: Any, config: Any) -> Path:
    torch.manual_seed(3)
    kind(config).save_pretrained(str(folder))
    tokenizer.save_pretrained(str(folder))
    return folder
