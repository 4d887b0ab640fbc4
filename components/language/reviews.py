"""Reviews of the training window: a head learns from those with stars, and says how those without stars sound."""

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
    """What came of the reviews."""

    head: SentimentHead | None
    said: pa.Table  # text, sentiment in [0, 1]: the distinct texts of reviews without stars
    metrics: dict[str, float]
    note: str  # why there is no head; "" where there is one


def score_reviews(
    snapshot: Path, split: Path, encoder: Encoder, params: SentimentParams, cache: Path
) -> ReviewSentiment:
    """Learn from the newest `max_reviews` with stars, and read those without; texts are read once each.

    Where windows are cut per user (leave_one_out) nobody can say which reviews were written before: there is no head,
    nor where there is too little to learn from.
    """
    info = tables.read_info(split)
    if info.protocol != "global_time":
        return _nothing("windows are cut per user")
    names = ["text", "rating", "timestamp"]
    rows = read_table(snapshot, "reviews", names, end=to_datetime(info.train_end)).sort_by("timestamp")
    texts = np.array([text or "" for text in rows["text"].to_pylist()], object)
    stars = rows["rating"].to_numpy(zero_copy_only=False).astype(np.float64)
    times = rows["timestamp"].cast("int64").to_numpy()
    learn = np.flatnonzero((texts != "") & ~np.isnan(stars))[-params.max_reviews :]
    silent = sorted(set(texts[(texts != "") & np.isnan(stars)]))
    distinct, place = np.unique(texts[learn].astype(str), return_inverse=True)
    vectors = encode_cached(encoder, [*distinct.tolist(), *silent], cache)
    try:
        head, metrics = train_sentiment(vectors[place], stars[learn], times[learn], params, encoder.digest)
    except ContractError as error:
        return _nothing(str(error))
    told = {f"sentiment/{name}": value for name, value in metrics.items()}
    log.info("sentiment of %d reviews: AUC %.3f on the newest", metrics["reviews"], metrics["auc"])
    said = _table(silent, head.score(vectors[len(distinct) :]))
    return ReviewSentiment(head, said, told | {"sentiment/without_stars": float(len(silent))}, "")


def _nothing(note: str) -> ReviewSentiment:
    log.info("no sentiment head: %s", note)
    return ReviewSentiment(None, _table([], np.zeros(0, np.float32)), {}, note)


def _table(texts: list[str], sentiment: np.ndarray) -> pa.Table:
    import pyarrow as pa

    return pa.table({"text": pa.array(texts, pa.string()), "sentiment": pa.array(sentiment, pa.float64())})
