"""Training data of the language model: the shop's texts, and pairs of related texts.

The whole catalogue is used, but only reviews, searches and purchases before the end of the training window. With
leave_one_out, where windows differ per user, reviews and searches are not used.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

from components.contracts import EVENTS, Catalogue, IntArray, Interactions
from components.data import tables
from components.data.partitions import read_table
from components.language.text import normalise
from components.times import to_datetime

Pairs = NDArray[np.int64]  # (n, 2) indices of texts


@dataclass(frozen=True)
class Corpus:
    """Distinct normalised texts, sorted, and pairs of them."""

    texts: list[str]
    language: Pairs  # (n,) indices of the texts for language modelling: items, reviews, searches
    held_out: Pairs  # (m,) indices of texts left out of training, in an order drawn by the seed
    pairs: dict[str, Pairs]  # "title-description", "query-click", "bought-together"; none is empty


def read_corpus(
    snapshot: Path,
    split: Path,
    target_events: Sequence[str],
    held_out_share: float,
    seed: int,
    of_products: bool = False,
) -> Corpus:
    """Return the corpus of a split; whether a text is held out depends on the text and the seed alone.

    of_products: only what the catalogue says, nothing that users wrote, searched or bought.
    """
    items, interactions = tables.read_catalogue(split), tables.read_interactions(split)
    reviews, searches = ([], []) if of_products else _read_reviews_and_searches(snapshot, tables.read_info(split))
    index = {item_id: i for i, item_id in enumerate(items.item_id) if i}
    clicks = [(query, items.text[index[item]]) for query, item in searches if item in index]
    products = pq.read_table(split / "items.parquet", columns=["description"], page_checksum_verification=True)
    descriptions = ["", *(d or "" for d in products["description"].to_pylist())]
    pairs = {
        "title-description": list(zip(items.title, descriptions, strict=True)),
        "query-click": clicks,
        "bought-together": [] if of_products else bought_together(interactions, items, target_events),
    }
    return build_corpus([*items.text, *reviews, *(q for q, _ in searches)], pairs, held_out_share, seed)


def build_corpus(
    language: Sequence[str], pairs: dict[str, list[tuple[str, str]]], held_out_share: float, seed: int
) -> Corpus:
    """Return the corpus of raw texts and pairs; pairs with an empty or held-out side, or of one text, are left out."""
    lm_texts = {normalise(t) for t in language} - {""}
    clean = {kind: [(normalise(a), normalise(b)) for a, b in rows] for kind, rows in pairs.items()}
    texts = sorted(lm_texts.union(*(t for rows in clean.values() for t in rows)) - {""}) if clean else sorted(lm_texts)
    held_out = {t for t in lm_texts if _hash_to_unit(t, seed) < held_out_share}
    index_of = {t: i for i, t in enumerate(texts)}
    indexed = {
        kind: [
            (index_of[a], index_of[b])
            for a, b in rows
            if a and b and a != b and a not in held_out and b not in held_out
        ]
        for kind, rows in clean.items()
    }
    return Corpus(
        texts,
        np.array(sorted(index_of[t] for t in lm_texts - held_out), np.int64),
        np.array([index_of[t] for t in sorted(held_out, key=lambda t: _hash_to_unit(t, seed))], np.int64),
        {kind: np.array(rows, np.int64) for kind, rows in indexed.items() if rows},
    )


def bought_together(
    interactions: Interactions, items: Catalogue, target_events: Sequence[str]
) -> list[tuple[str, str]]:
    """Return the texts of each two products that a user bought in succession."""
    codes = [EVENTS.index(e) for e in target_events]
    rows = np.isin(interactions.event, codes) & (interactions.user_idx > 0)
    user, item = interactions.user_idx[rows], interactions.item_idx[rows]
    same = (user[1:] == user[:-1]) & (item[1:] != item[:-1])
    first, second = _as_list(item[:-1][same]), _as_list(item[1:][same])
    return [(items.text[a], items.text[b]) for a, b in zip(first, second, strict=True)]


def _read_reviews_and_searches(
    snapshot: Path, info: tables.SplitInfo
) -> tuple[list[str], list[tuple[str, str | None]]]:
    """Return review texts, and (query, clicked item_id) of searches, from before the end of the training window."""
    if info.protocol != "global_time":
        return [], []
    end = to_datetime(info.train_end)
    reviews = read_table(snapshot, "reviews", ["text"], end=end)["text"].to_pylist()
    searches = read_table(snapshot, "searches", ["query", "clicked_item_id"], end=end)
    rows = zip(searches["query"].to_pylist(), searches["clicked_item_id"].to_pylist(), strict=True)
    return [t for t in reviews if t], [(q, item) for q, item in rows if q]


def _hash_to_unit(text: str, seed: int) -> float:
    """Return a number in [0, 1) that depends on the text and the seed alone: each run holds out the same texts."""
    digest = hashlib.sha256(f"{seed}:{text}".encode("utf-8", "replace")).digest()
    return int.from_bytes(digest[:7], "big") / 2**56


def _as_list(items: IntArray) -> list[int]:
    return [int(i) for i in items]
