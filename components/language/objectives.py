"""Losses and the metric of pretraining: masked or next tokens, and pairs of related texts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from components.language.backbone import Backbone, head_logits, hidden_states, mean_pool

IGNORE = -100  # label of a token that does not count
EMBED_BATCH = 32  # texts that are embedded at once in a training step
Rows = list[list[int]]  # token ids of each text


@dataclass(frozen=True)
class LmBatch:
    """A batch for language modelling: the input tokens, and the tokens to predict."""

    ids: Tensor  # (texts, tokens)
    mask: Tensor  # (texts, tokens), 1 where there is a token
    labels: Tensor  # (texts, tokens), IGNORE where nothing is predicted


def tokenise(tokenizer: Any, texts: Sequence[str], max_tokens: int) -> Rows:
    """Return the token ids of each text, cut to max_tokens, special tokens included."""
    if not texts:
        return []
    rows: Rows = tokenizer(list(texts), truncation=True, max_length=max_tokens)["input_ids"]
    return rows


def pad(rows: Rows, padding: int, device: str) -> tuple[Tensor, Tensor]:
    """Return (texts, tokens) ids and mask."""
    width = max(1, *(len(r) for r in rows))
    ids = torch.full((len(rows), width), padding, dtype=torch.long)
    mask = torch.zeros(len(rows), width, dtype=torch.long)
    for i, row in enumerate(rows):
        ids[i, : len(row)] = torch.tensor(row, dtype=torch.long)
        mask[i, : len(row)] = 1
    return ids.to(device), mask.to(device)


def make_lm_batch(backbone: Backbone, rows: Rows, mask_share: float, rng: np.random.Generator, device: str) -> LmBatch:
    """Return a batch for an encoder (mask_share of each text's tokens masked, at least one) or a decoder (no masks)."""
    ids, mask = pad(rows, backbone.tokenizer.pad_token_id, device)
    labels = ids.masked_fill(mask == 0, IGNORE)
    if backbone.kind == "decoder":
        labels[:, 0] = IGNORE  # the first token has no context
        return LmBatch(ids, mask, labels)
    special = set(backbone.tokenizer.all_special_ids)
    masked = torch.zeros(ids.shape, dtype=torch.bool)
    for i, row in enumerate(rows):
        positions = [j for j, token in enumerate(row) if token not in special]
        n = min(len(positions), max(1, round(mask_share * len(positions))))
        masked[i, torch.from_numpy(_draw_positions(positions, n, rng))] = True
    masked = masked.to(device)
    return LmBatch(ids.masked_fill(masked, backbone.tokenizer.mask_token_id), mask, labels.masked_fill(~masked, IGNORE))


def language_loss(backbone: Backbone, batch: LmBatch) -> tuple[Tensor, int]:
    """Return the summed cross-entropy of the predicted tokens, in nats, and their number."""
    hidden, labels = hidden_states(backbone.model, batch.ids, batch.mask, backbone.precision), batch.labels
    if backbone.kind == "decoder":
        hidden, labels = hidden[:, :-1], labels[:, 1:]
    where = labels != IGNORE
    n = int(where.sum())
    if not n:
        return hidden.sum() * 0, 0
    return functional.cross_entropy(
        head_logits(backbone.model, hidden[where]).float(), labels[where], reduction="sum"
    ), n


def pair_loss(left: Tensor, right: Tensor, same: Tensor, temperature: float) -> Tensor:
    """Return InfoNCE in both directions over a batch of (n, dim) unit rows; rows i of left and right are a pair.

    same: (n, n) True where two pairs share a text: they are not used as negatives.
    Source: van den Oord et al. 2018; in-batch negatives of Henderson et al. 2017.
    """
    scores = (left @ right.T) / temperature
    scores = scores.masked_fill(same & ~torch.eye(len(left), dtype=torch.bool, device=same.device), float("-inf"))
    right_one = torch.arange(len(left), device=scores.device)
    return (functional.cross_entropy(scores, right_one) + functional.cross_entropy(scores.T, right_one)) / 2


def shared_texts(pairs: NDArray[np.int64]) -> Tensor:
    """Return (n, n) True where two of the (n, 2) pairs share a text."""
    left, right = pairs[:, 0], pairs[:, 1]
    same = (left[:, None] == left) | (right[:, None] == right) | (left[:, None] == right) | (right[:, None] == left)
    return torch.from_numpy(same)


def embed(backbone: Backbone, rows: Rows, device: str) -> Tensor:
    """Return (texts, dim) unit rows, as Encoder.encode does; texts of similar length go together, to save padding."""
    order = sorted(range(len(rows)), key=lambda i: len(rows[i]))
    pooled = []
    for at in range(0, len(order), EMBED_BATCH):
        ids, mask = pad([rows[i] for i in order[at : at + EMBED_BATCH]], backbone.tokenizer.pad_token_id, device)
        pooled.append(mean_pool(hidden_states(backbone.model, ids, mask, backbone.precision), mask))
    vectors: Tensor = torch.cat(pooled)[torch.from_numpy(np.argsort(order))]
    return vectors


def perplexity(backbone: Backbone, rows: Rows, mask_share: float, seed: int, size: int, device: str) -> float:
    """Return exp of the mean cross-entropy of predicted tokens; for an encoder the pseudo-perplexity, with fixed masks.

    NaN without texts. Source: Salazar et al. 2020, with mask_share of the tokens masked at once instead of one by one.
    """
    rng, total, n = np.random.default_rng([seed, 15]), 0.0, 0
    rows = sorted(rows, key=len)  # texts of similar length go together, to save padding
    backbone.model.eval()
    with torch.inference_mode():
        for start in range(0, len(rows), size):
            loss, masked = language_loss(
                backbone, make_lm_batch(backbone, rows[start : start + size], mask_share, rng, device)
            )
            total, n = total + float(loss), n + masked
    return float(np.exp(total / n)) if n else float("nan")


def _draw_positions(positions: list[int], n: int, rng: np.random.Generator) -> NDArray[np.int64]:
    return np.sort(rng.permutation(np.array(positions, np.int64))[:n])
