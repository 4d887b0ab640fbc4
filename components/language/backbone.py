"""Any Hugging Face model in a local folder, with its head for language modelling: read, asked, written."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from components.errors import ContractError

OFFLINE: dict[str, Any] = {"local_files_only": True, "trust_remote_code": False}


@dataclass
class Backbone:
    """A tokenizer and its model; `kind` says how the model learns language: masked words, or the next word."""

    tokenizer: Any
    model: Any  # with a language-modelling head
    kind: Literal["encoder", "decoder"]
    head_is_new: bool  # True: the folder held no head (MiniLM does not), it starts random


def model_kind(folder: Path) -> Literal["encoder", "decoder"]:
    """Return how the model in `folder` learns; raises ContractError for one that does neither."""
    from transformers import AutoConfig
    from transformers.models.auto.modeling_auto import (
        MODEL_FOR_CAUSAL_LM_MAPPING_NAMES,
        MODEL_FOR_MASKED_LM_MAPPING_NAMES,
    )

    kind = AutoConfig.from_pretrained(str(folder), **OFFLINE).model_type
    if kind in MODEL_FOR_MASKED_LM_MAPPING_NAMES:
        return "encoder"
    if kind in MODEL_FOR_CAUSAL_LM_MAPPING_NAMES:
        return "decoder"
    raise ContractError(
        f"language.model {folder.name}: a {kind} learns neither masked nor next words; "
        "set language.pretrain.method to none, or choose an encoder or a decoder"
    )


def read_backbone(folder: Path, seed: int) -> Backbone:
    """Return the model in `folder`; what it lacks of a head is drawn from `seed`."""
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
    """Return the tokenizer in `folder`; one without a padding token pads with its end of text."""
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(str(folder), **OFFLINE)
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token or tokenizer.unk_token
    tokenizer.padding_side = "right"
    return tokenizer


def states(model: Any, ids: Any, mask: Any) -> Any:
    """Return the last hidden states, (texts, tokens, dim)."""
    return model.base_model(input_ids=ids, attention_mask=mask).last_hidden_state


def logits(model: Any, hidden: Any) -> Any:
    """Return the head's (n, words) logits of (n, dim) states: only of those that are asked for, it is the dear part."""
    for name in ("cls", "lm_head", "vocab_projector"):
        head = getattr(model, name, None)
        if head is None:
            continue
        if name == "vocab_projector":  # DistilBERT keeps its head in three parts
            hidden = model.vocab_layer_norm(model.activation(model.vocab_transform(hidden)))
        return head(hidden)
    raise ContractError(
        f"{type(model).__name__}: its language-modelling head has none of the known names (cls, lm_head); "
        "set language.pretrain.texts_per_step to 0 to learn from pairs alone"
    )


def mean_pool(hidden: Any, mask: Any) -> Any:
    """Return (texts, dim) unit rows: the mean of the states of real tokens."""
    import torch

    weight = mask.unsqueeze(-1).to(hidden.dtype)
    return torch.nn.functional.normalize((hidden * weight).sum(1) / weight.sum(1).clamp(min=1), dim=1)


def write_backbone(backbone: Backbone, original: Path, folder: Path) -> None:
    """Write what an encoder needs, without the head: safetensors, JSON and words."""
    from transformers import AutoModel

    with _quiet():
        whole = AutoModel.from_pretrained(str(original), use_safetensors=True, **OFFLINE)  # parts that heads lack, too
        if len(backbone.tokenizer) > whole.get_input_embeddings().weight.shape[0]:
            whole.resize_token_embeddings(len(backbone.tokenizer), mean_resizing=False)
        strange = whole.load_state_dict(backbone.model.base_model.state_dict(), strict=False).unexpected_keys
        if strange:
            raise ContractError(f"{original.name}: the encoder has no place for {strange[:3]}; choose another model")
        whole.save_pretrained(str(folder), safe_serialization=True)
        backbone.tokenizer.save_pretrained(str(folder))


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence reports of missing heads: `head_is_new` says so."""
    from transformers.utils import logging as theirs

    before = theirs.get_verbosity()
    theirs.set_verbosity(logging.ERROR)
    theirs.disable_progress_bar()  # type: ignore[no-untyped-call]
    try:
        yield
    finally:
        theirs.set_verbosity(before)
