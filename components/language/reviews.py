"""Sentiment of the training window's reviews: a head is trained on rated reviews and applied to unrated ones."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from components.data import tables
from components.data.partitions import read_table
from components.errors import ContractError
from components.language.cache import encode_cached
from components.language.encoder import Encoder
from components.language.sentiment import SentimentHead, train_sentiment
from components.params import SentimentParams
from components.times import to_datetime

if TYPE_CHECKING:
    import pyarrow as pa

log = logging.getLogger("encode")


@dataclass(frozen=True)
class ReviewSentiment:
    """The sentiment head, and what it predicts for unrated reviews."""

    head: SentimentHead | None
    unrated: pa.Table  # text, sentiment in [0, 1]: distinct texts of reviews without a rating
    metrics: dict[str, float]
    reason: str  # why there is no head; "" where there is one


def score_reviews(
    snapshot: Path, split: Path, encoder: Encoder, params: SentimentParams, cache: Path
) -> ReviewSentiment:
    """Train a head on the newest `max_reviews` rated reviews and apply it to the unrated ones; encode each text once.

    There is no head with leave_one_out, where the windows of reviews are not defined, or with too few reviews.
    """
    info = tables.read_info(split)
    if info.protocol != "global_time":
        return _no_head("windows are cut per user")
    names = ["text", "rating", "timestamp"]
    rows = read_table(snapshot, "reviews", names, end=to_datetime(info.train_end)).sort_by("timestamp")
    texts = np.array([text or "" for text in rows["text"].to_pylist()], object)
    stars = rows["rating"].to_numpy(zero_copy_only=False).astype(np.float64)
    times = rows["timestamp"].cast("int64").to_numpy()
    rated = np.flatnonzero((texts != "") & ~np.isnan(stars))[-params.max_reviews :]
    unrated = sorted(set(texts[(texts != "") & np.isnan(stars)]))
    distinct, text_row = np.unique(texts[rated].astype(str), return_inverse=True)
    vectors = encode_cached(encoder, [*distinct.tolist(), *unrated], cache)
    try:
        head, metrics = train_sentiment(vectors[text_row], stars[rated], times[rated], params, encoder.digest)
    except ContractError as error:
        return _no_head(str(error))
    prefixed = {f"sentiment/{name}": value for name, value in metrics.items()}
    log.info("sentiment of %d reviews: AUC %.3f on the newest", metrics["reviews"], metrics["auc"])
    scored = _table(unrated, head.score(vectors[len(distinct) :]))
    return ReviewSentiment(head, scored, prefixed | {"sentiment/without_stars": float(len(unrated))}, "")


def _no_head(reason: str) -> ReviewSentiment:
    log.info("no sentiment head: %s", reason)
    return ReviewSentiment(None, _table([], np.zeros(0, np.float32)), {}, reason)


def _table(texts: list[str], sentiment: np.ndarray) -> pa.Table:
    import pyarrow as pa

    return pa.table({"text": pa.array(texts, pa.string()), "sentiment": pa.array(sentiment, pa.float64())})
