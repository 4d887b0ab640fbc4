"""Smaller and faster encoders: one vector per token, distillation into fewer layers, and 8-bit quantisation.

An int8 folder holds the original weights and the key `encoder.INT8` in config.json: weights are quantised when loaded.
A static folder holds the vectors of the tokens, the tokenizer, and the key `token_vectors.STATIC`.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from components.contracts import FloatArray
from components.errors import ContractError
from components.io import write_json
from components.language.backbone import OFFLINE, hidden_states, mean_pool, read_backbone, read_tokenizer
from components.language.corpus import Corpus
from components.language.encoder import INT8, Encoder
from components.language.objectives import pad, tokenise
from components.language.text import normalise
from components.language.token_vectors import STATIC, VECTORS
from components.language.vocabulary import every_nth, extend_vocabulary
from components.params import CompressParams, LanguageParams

log = logging.getLogger("pretrain")
LOG_EVERY = 20  # steps
COUNTED = 5_000  # texts in which tokens are counted for their weights
SMOOTHING = 1e-3  # a token of this share of all tokens has half the weight of a rare one


def write_int8(original: Path, language: LanguageParams, out: Path) -> Path:
    """Write the model for int8 on CPUs (linear layers only), and return `out`. Source: torch.ao.quantization."""
    Encoder.load(original, language).save(out)
    path = out / "config.json"
    config = json.loads(path.read_text(encoding="utf-8")) | {INT8: True}
    path.write_text(json.dumps(config, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    return out


def write_static(original: Path, corpus: Corpus, language: LanguageParams, seed: int, out: Path) -> dict[str, float]:
    """Write an encoder that sums the original's input vectors of tokens; return metrics of the vocabulary.

    Unknown words of the shop are added first. The vectors are centred, and weighted by the rarity of the token in the
    shop's texts: a token that they lack has the full weight, a special token none.
    Sources: Arora et al. 2017 (weights); Mu & Viswanath 2018 (centring); Tulkens & van Dongen 2024 (Model2Vec).
    """
    from safetensors.numpy import save_file

    backbone = read_backbone(original, seed)
    tokenizer = backbone.tokenizer
    metrics = extend_vocabulary(tokenizer, backbone.model, corpus, language.pretrain, seed)
    vectors = backbone.model.get_input_embeddings().weight.detach()[: len(tokenizer)].double()
    vectors = (vectors - vectors.mean(dim=0)).numpy()
    rows = tokenise(tokenizer, every_nth(corpus.texts, COUNTED), language.max_tokens)
    counts = np.bincount([token for row in rows for token in row], minlength=len(vectors))
    counts[tokenizer.all_special_ids] = 0
    weights = SMOOTHING / (SMOOTHING + counts / max(1, counts.sum()))
    weights[tokenizer.all_special_ids] = 0
    out.mkdir(parents=True, exist_ok=True)
    save_file({VECTORS: (weights[:, None] * vectors).astype(np.float16)}, out / "model.safetensors")
    backend = tokenizer.backend_tokenizer
    backend.no_truncation()
    backend.no_padding()
    backend.save(str(out / "tokenizer.json"))
    write_json(out / "config.json", {STATIC: True, "hidden_size": vectors.shape[1]})
    return metrics


def distil(
    original: Path,
    texts: Sequence[str],
    vectors: FloatArray,
    params: CompressParams,
    language: LanguageParams,
    seed: int,
    out: Path,
) -> list[float]:
    """Distil the model into params.layers layers, with the vectors (n, dim) as targets; return the loss by step.

    It starts from evenly spaced layers of the original and minimises the cosine distance; empty texts are left out.
    Raises ContractError where the model has no list of layers, or no more than params.layers. Source: Sanh et al. 2019.
    """
    from transformers import AutoModel

    torch.manual_seed(seed)
    model: Any = AutoModel.from_pretrained(str(original), use_safetensors=True, dtype=torch.float32, **OFFLINE)
    _drop_layers(model, params.layers)
    model.config.use_cache = False  # layers still have the indices of the original in the cache of keys and values
    tokenizer = read_tokenizer(original)
    clean = [normalise(text) for text in texts]
    known = np.array([i for i, text in enumerate(clean) if text and vectors[i].any()], np.int64)
    rows, wanted = tokenise(tokenizer, [clean[i] for i in known], language.max_tokens), torch.from_numpy(vectors[known])
    rng, losses = np.random.default_rng(seed), list[float]()
    optimizer = torch.optim.AdamW(model.parameters(), lr=params.learning_rate)
    model.train()
    for step in range(params.steps):
        drawn = rng.integers(0, len(known), language.batch_size)
        ids, mask = pad([rows[i] for i in drawn], tokenizer.pad_token_id, "cpu")
        loss = (1 - (mean_pool(hidden_states(model, ids, mask), mask) * wanted[drawn]).sum(dim=1)).mean()
        if not torch.isfinite(loss):
            raise ContractError(
                f"distilling: expected a finite loss, got {loss.item()} at step {step}; lower "
                "language.compress.learning_rate"
            )
        for group in optimizer.param_groups:
            group["lr"] = params.learning_rate * (1 - step / params.steps)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
        if (step + 1) % LOG_EVERY == 0:
            log.info("distilling: step %d of %d, loss %.4f", step + 1, params.steps, losses[-1])
    Encoder.load(original, language).save(out)
    model.save_pretrained(str(out), safe_serialization=True)
    return losses


def _drop_layers(model: Any, layers: int) -> None:
    """Keep `layers` evenly spaced layers of the model, including the last, in place."""
    for holder, name in ((getattr(model, "encoder", None), "layer"), (getattr(model, "transformer", None), "layer"),
                         (model, "h"), (model, "layers")):  # fmt: skip
        blocks = getattr(holder, name, None)
        if isinstance(blocks, torch.nn.ModuleList):
            break
    else:
        raise ContractError(
            f"{type(model).__name__}: expected a list of layers, found none; remove `distilled` from the variants"
        )
    if layers >= len(blocks):
        raise ContractError(
            f"language.compress.layers is {layers}, the model has {len(blocks)}; lower it, or remove "
            "`distilled` from the variants"
        )
    chosen = np.linspace(0, len(blocks) - 1, layers + 1).round().astype(int)[1:]
    setattr(holder, name, torch.nn.ModuleList(blocks[i] for i in chosen))
    for size in ("num_hidden_layers", "n_layers", "n_layer"):
        if hasattr(model.config, size):
            setattr(model.config, size, layers)
