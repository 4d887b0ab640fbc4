"""What pretraining minimises, and what it is measured by: masked or next tokens, and pairs that belong together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from components.language.backbone import Backbone, logits, mean_pool, states

IGNORE = -100  # a token that is not asked for
Rows = list[list[int]]  # token ids of each text


@dataclass(frozen=True)
class LmBatch:
    """A batch of texts as the model sees them, and the tokens that it is asked for."""

    ids: Tensor  # (texts, tokens)
    mask: Tensor  # (texts, tokens), 1 where there is a token
    labels: Tensor  # (texts, tokens), IGNORE where nothing is asked


def tokenise(tokenizer: Any, texts: Sequence[str], max_tokens: int) -> Rows:
    """Return the token ids of each text, cut to max_tokens, special tokens included."""
    if not texts:
        return []
    rows: Rows = tokenizer(list(texts), truncation=True, max_length=max_tokens)["input_ids"]
    return rows


def padded(rows: Rows, padding: int, device: str) -> tuple[Tensor, Tensor]:
    """Return (texts, tokens) ids and mask."""
    width = max(1, *(len(r) for r in rows))
    ids = torch.full((len(rows), width), padding, dtype=torch.long)
    mask = torch.zeros(len(rows), width, dtype=torch.long)
    for i, row in enumerate(rows):
        ids[i, : len(row)] = torch.tensor(row, dtype=torch.long)
        mask[i, : len(row)] = 1
    return ids.to(device), mask.to(device)


def make_lm_batch(backbone: Backbone, rows: Rows, mask_share: float, rng: np.random.Generator, device: str) -> LmBatch:
    """Return masked texts for an encoder: mask_share of each text's tokens, at least one; whole texts for a decoder."""
    ids, mask = padded(rows, backbone.tokenizer.pad_token_id, device)
    labels = ids.masked_fill(mask == 0, IGNORE)
    if backbone.kind == "decoder":
        labels[:, 0] = IGNORE  # nothing stands before the first token
        return LmBatch(ids, mask, labels)
    special = set(backbone.tokenizer.all_special_ids)
    asked = torch.zeros(ids.shape, dtype=torch.bool)
    for i, row in enumerate(rows):
        places = [j for j, token in enumerate(row) if token not in special]
        n = min(len(places), max(1, round(mask_share * len(places))))
        asked[i, torch.from_numpy(_pick(places, n, rng))] = True
    asked = asked.to(device)
    return LmBatch(ids.masked_fill(asked, backbone.tokenizer.mask_token_id), mask, labels.masked_fill(~asked, IGNORE))


def language_loss(backbone: Backbone, batch: LmBatch) -> tuple[Tensor, int]:
    """Return the summed cross-entropy of the tokens that are asked for, in nats, and how many they are."""
    hidden, labels = states(backbone.model, batch.ids, batch.mask), batch.labels
    if backbone.kind == "decoder":
        hidden, labels = hidden[:, :-1], labels[:, 1:]
    where = labels != IGNORE
    n = int(where.sum())
    if not n:
        return hidden.sum() * 0, 0
    return functional.cross_entropy(logits(backbone.model, hidden[where]).float(), labels[where], reduction="sum"), n


def pair_loss(left: Tensor, right: Tensor, same: Tensor, temperature: float) -> Tensor:
    """Return InfoNCE in both directions over a batch of (n, dim) unit rows; row i of left belongs to row i of right.

    same: (n, n) True where two pairs share a text: such a pair is no counter-example, and is left out.
    Source: van den Oord et al. 2018; in-batch negatives of Henderson et al. 2017.
    """
    scores = (left @ right.T) / temperature
    scores = scores.masked_fill(same & ~torch.eye(len(left), dtype=torch.bool, device=same.device), float("-inf"))
    right_one = torch.arange(len(left), device=scores.device)
    return (functional.cross_entropy(scores, right_one) + functional.cross_entropy(scores.T, right_one)) / 2


def shared_texts(pairs: NDArray[np.int64]) -> Tensor:
    """Return (n, n) True where two of the (n, 2) pairs have a text in common."""
    left, right = pairs[:, 0], pairs[:, 1]
    same = (left[:, None] == left) | (right[:, None] == right) | (left[:, None] == right) | (right[:, None] == left)
    return torch.from_numpy(same)


def embed(backbone: Backbone, rows: Rows, device: str) -> Tensor:
    """Return (texts, dim) unit rows, as the encoder makes them."""
    ids, mask = padded(rows, backbone.tokenizer.pad_token_id, device)
    pooled: Tensor = mean_pool(states(backbone.model, ids, mask), mask)
    return pooled


def perplexity(backbone: Backbone, rows: Rows, mask_share: float, seed: int, size: int, device: str) -> float:
    """Return exp of the mean cross-entropy of tokens asked for: pseudo-perplexity for an encoder (masks fixed by seed).

    NaN without any text. Source: Salazar et al. 2020, with 15 % masked at once in place of one by one.
    """
    rng, total, n = np.random.default_rng([seed, 15]), 0.0, 0
    backbone.model.eval()
    with torch.inference_mode():
        for start in range(0, len(rows), size):
            loss, asked = language_loss(
                backbone, make_lm_batch(backbone, rows[start : start + size], mask_share, rng, device)
            )
            total, n = total + float(loss), n + asked
    return float(np.exp(total / n)) if n else float("nan")


def _pick(places: list[int], n: int, rng: np.random.Generator) -> NDArray[np.int64]:
    return np.sort(rng.permutation(np.array(places, np.int64))[:n])
