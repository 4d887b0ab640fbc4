"""Smaller encoders for the same texts: fewer layers, taught by the whole model; and whole numbers of eight bits.

A folder holds the weights as they were, and config.json says so (`encoder.INT8`): they are rounded when they are read.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from components.contracts import FloatArray
from components.errors import ContractError
from components.language.backbone import OFFLINE, mean_pool, read_tokenizer, states
from components.language.encoder import INT8, Encoder
from components.language.objectives import padded, tokenise
from components.language.text import normalise
from components.params import CompressParams, LanguageParams

log = logging.getLogger("pretrain")
LOG_EVERY = 20  # steps


def write_int8(original: Path, language: LanguageParams, out: Path) -> Path:
    """Write the same model, to be read in eight bits: on a CPU, linear layers only. Source: torch.ao.quantization."""
    Encoder.load(original, language).save(out)
    path = out / "config.json"
    config = json.loads(path.read_text(encoding="utf-8")) | {INT8: True}
    path.write_text(json.dumps(config, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    return out


def distil(
    original: Path,
    texts: Sequence[str],
    vectors: FloatArray,
    params: CompressParams,
    language: LanguageParams,
    seed: int,
    out: Path,
) -> list[float]:
    """Write a model of fewer layers that gives the texts (n) nearly the vectors (n, dim); return its loss by step.

    It begins with layers of the original, evenly apart, and learns by the cosine. Texts that say nothing teach nothing.
    Raises ContractError where the model has no list of layers, or not more of them. Source: Sanh et al. 2019.
    """
    from transformers import AutoModel

    torch.manual_seed(seed)
    model: Any = AutoModel.from_pretrained(str(original), use_safetensors=True, dtype=torch.float32, **OFFLINE)
    _thin(model, params.layers)
    model.config.use_cache = False  # of keys and values: layers still count as in the original
    tokenizer = read_tokenizer(original)
    clean = [normalise(text) for text in texts]
    known = np.array([i for i, text in enumerate(clean) if text and vectors[i].any()], np.int64)
    rows, wanted = tokenise(tokenizer, [clean[i] for i in known], language.max_tokens), torch.from_numpy(vectors[known])
    rng, losses = np.random.default_rng(seed), list[float]()
    optimizer = torch.optim.AdamW(model.parameters(), lr=params.learning_rate)
    model.train()
    for step in range(params.steps):
        some = rng.integers(0, len(known), language.batch_size)
        ids, mask = padded([rows[i] for i in some], tokenizer.pad_token_id, "cpu")
        loss = (1 - (mean_pool(states(model, ids, mask), mask) * wanted[some]).sum(dim=1)).mean()
        if not torch.isfinite(loss):
            raise ContractError(
                f"distilling: loss is {loss.item()} at step {step}; lower language.compress.learning_rate"
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


def median_encode_ms(encoder: Encoder, texts: Sequence[str]) -> float:
    """Return the median time of reading one text, as when serving, on one thread."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        encoder.encode(texts[:1])
        times = []
        for text in texts:
            started = time.perf_counter()
            encoder.encode([text])
            times.append(1000 * (time.perf_counter() - started))
    finally:
        torch.set_num_threads(threads)
    return float(np.median(times))


def _thin(model: Any, layers: int) -> None:
    """Leave so many of the model's layers, the last among them."""
    for holder, name in ((getattr(model, "encoder", None), "layer"), (getattr(model, "transformer", None), "layer"),
                         (model, "h"), (model, "layers")):  # fmt: skip
        every = getattr(holder, name, None)
        if isinstance(every, torch.nn.ModuleList):
            break
    else:
        raise ContractError(f"{type(model).__name__}: no list of layers was found; take `distilled` off the variants")
    if layers >= len(every):
        raise ContractError(
            f"language.compress.layers is {layers}, the model has {len(every)}; lower it, or take `distilled` off the "
            "variants"
        )
    kept = np.linspace(0, len(every) - 1, layers + 1).round().astype(int)[1:]
    setattr(holder, name, torch.nn.ModuleList(every[i] for i in kept))
    for size in ("num_hidden_layers", "n_layers", "n_layer"):
        if hasattr(model.config, size):
            setattr(model.config, size, layers)
