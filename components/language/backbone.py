"""Reads, runs and writes a Hugging Face model in a local folder, with its language-modelling head."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from components.errors import ContractError
from components.language.precision import Precision, autocast
from components.language.token_vectors import STATIC

OFFLINE: dict[str, Any] = {"local_files_only": True, "trust_remote_code": False}


@dataclass
class Backbone:
    """A tokenizer and its model; `kind`: an encoder learns masked tokens, a decoder the next token."""

    tokenizer: Any
    model: Any  # with a language-modelling head
    kind: Literal["encoder", "decoder"]
    head_is_new: bool  # True: the folder has no head (as MiniLM), it is initialised at random
    precision: Precision = "float32"  # of the encoder's matrix products; weights, head and losses are float32


def model_kind(folder: Path) -> Literal["encoder", "decoder"]:
    """Return the kind of the model in `folder`; raises ContractError for one that is neither."""
    from transformers import AutoConfig
    from transformers.models.auto.modeling_auto import (
        MODEL_FOR_CAUSAL_LM_MAPPING_NAMES,
        MODEL_FOR_MASKED_LM_MAPPING_NAMES,
    )

    if STATIC in json.loads((folder / "config.json").read_text(encoding="utf-8")):
        raise ContractError(
            f"language.model {folder.name}: expected a network, but the folder has one vector per token; set "
            "language.pretrain.method to none and language.compress.variants to []"
        )
    kind = AutoConfig.from_pretrained(str(folder), **OFFLINE).model_type
    if kind in MODEL_FOR_MASKED_LM_MAPPING_NAMES:
        return "encoder"
    if kind in MODEL_FOR_CAUSAL_LM_MAPPING_NAMES:
        return "decoder"
    raise ContractError(
        f"language.model {folder.name}: expected an encoder or a decoder, got a {kind}; choose another model, or set "
        "language.pretrain.method to none"
    )


def read_backbone(folder: Path, seed: int) -> Backbone:
    """Return the model in `folder`; missing weights of its head are drawn from `seed`."""
    import torch
    from transformers import AutoModelForCausalLM, AutoModelForMaskedLM

    kind = model_kind(folder)
    auto = AutoModelForMaskedLM if kind == "encoder" else AutoModelForCausalLM
    torch.manual_seed(seed)
    with _quiet():
        loaded: Any = auto.from_pretrained(
            str(folder), use_safetensors=True, output_loading_info=True, dtype=torch.float32, **OFFLINE
        )
    model, loading = loaded
    return Backbone(read_tokenizer(folder), model, kind, bool(loading["missing_keys"]))


def read_tokenizer(folder: Path) -> Any:
    """Return the tokenizer in `folder`; without a padding token it pads with its end-of-text token."""
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(str(folder), **OFFLINE)
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token or tokenizer.unk_token
    tokenizer.padding_side = "right"
    return tokenizer


def hidden_states(model: Any, ids: Any, mask: Any, precision: Precision = "float32") -> Any:
    """Return the last hidden states in float32, (texts, tokens, dim); matrix products are computed in `precision`."""
    with autocast(precision, ids.device.type):
        return model.base_model(input_ids=ids, attention_mask=mask).last_hidden_state.float()


def head_logits(model: Any, hidden: Any) -> Any:
    """Return the head's (n, vocabulary) logits of (n, dim) hidden states; costly, so pass only those with a label."""
    for name in ("cls", "lm_head", "vocab_projector"):
        head = getattr(model, name, None)
        if head is None:
            continue
        if name == "vocab_projector":  # the head of DistilBERT has three parts
            hidden = model.vocab_layer_norm(model.activation(model.vocab_transform(hidden)))
        return head(hidden)
    raise ContractError(
        f"{type(model).__name__}: expected a language-modelling head named cls, lm_head or vocab_projector, got none; "
        "set language.pretrain.texts_per_step to 0 to train on pairs alone"
    )


def mean_pool(hidden: Any, mask: Any) -> Any:
    """Return (texts, dim) unit rows: the mean of the hidden states of tokens that are not padding."""
    import torch

    weight = mask.unsqueeze(-1).to(hidden.dtype)
    return torch.nn.functional.normalize((hidden * weight).sum(1) / weight.sum(1).clamp(min=1), dim=1)


def write_backbone(backbone: Backbone, original: Path, folder: Path) -> None:
    """Write the encoder without its head: safetensors, JSON and vocabulary."""
    from transformers import AutoModel

    with _quiet():
        encoder = AutoModel.from_pretrained(str(original), use_safetensors=True, **OFFLINE)  # has the pooler too
        if len(backbone.tokenizer) > encoder.get_input_embeddings().weight.shape[0]:
            encoder.resize_token_embeddings(len(backbone.tokenizer), mean_resizing=False)
        unexpected = encoder.load_state_dict(backbone.model.base_model.state_dict(), strict=False).unexpected_keys
        if unexpected:
            raise ContractError(
                f"{original.name}: expected the weights of its encoder, got also {unexpected[:3]}; choose another model"
            )
        encoder.save_pretrained(str(folder), safe_serialization=True)
        backbone.tokenizer.save_pretrained(str(folder))


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence the warnings of transformers about missing heads; `head_is_new` reports them."""
    from transformers.utils import logging as transformers_logging

    before = transformers_logging.get_verbosity()
    transformers_logging.set_verbosity(logging.ERROR)
    transformers_logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    try:
        yield
    finally:
        transformers_logging.set_verbosity(before)
