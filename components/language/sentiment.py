"""Sentiment of reviews: a calibrated linear head on the encoder's vectors, trained on the shop's own ratings."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from components.compat import translate
from components.contracts import BoolArray, FloatArray, TimeArray
from components.errors import ContractError
from components.io import write_json
from components.params import SentimentParams

BINS = 10  # of the calibration error
WEIGHTS, ABOUT = "sentiment.safetensors", "sentiment.json"


@dataclass(frozen=True)
class SentimentHead:
    """P(positive) = sigmoid(slope * (vector @ weight + bias) + shift); slope and shift calibrate it (Platt 1999)."""

    weight: NDArray[np.float64]  # (dim,)
    bias: float
    slope: float
    shift: float
    encoder: str  # digest of the encoder whose vectors it reads

    def score(self, vectors: FloatArray) -> FloatArray:
        """Return the probability in [0, 1] that each of the (n, dim) vectors is of a positive review."""
        if vectors.ndim != 2 or vectors.shape[1] != len(self.weight):
            raise ContractError(f"sentiment: expected vectors of length {len(self.weight)}, got shape {vectors.shape}")
        margin = vectors @ self.weight + self.bias
        return np.asarray(0.5 * (1 + np.tanh((self.slope * margin + self.shift) / 2)), np.float32)

    def save(self, folder: Path) -> None:
        """Write sentiment.safetensors and sentiment.json."""
        from safetensors.numpy import save_file

        folder.mkdir(parents=True, exist_ok=True)
        numbers = np.array([self.bias, self.slope, self.shift])
        save_file({"weight": self.weight, "numbers": numbers}, folder / WEIGHTS)
        write_json(folder / ABOUT, {"encoder": self.encoder, "dim": len(self.weight)})

    @classmethod
    def load(cls, folder: Path) -> SentimentHead:
        """Read what `save` wrote; raises ContractError when it is missing or damaged."""
        from safetensors import SafetensorError
        from safetensors.numpy import load_file

        try:
            tensors = load_file(folder / WEIGHTS)
            about = translate("sentiment", json.loads((folder / ABOUT).read_bytes()))
            bias, slope, shift = (float(v) for v in tensors["numbers"])
            head = cls(tensors["weight"], bias, slope, shift, str(about["encoder"]))
            if head.weight.shape != (about["dim"],):
                raise ValueError(f"weights of shape {head.weight.shape} for dim {about['dim']}")
        except (OSError, SafetensorError, ValueError, KeyError, TypeError) as error:
            raise ContractError(f"{folder}: no sentiment head ({error}); train it again") from None
        return head


def train_sentiment(
    vectors: FloatArray, ratings: Sequence[float], timestamps: TimeArray, params: SentimentParams, encoder: str
) -> tuple[SentimentHead, dict[str, float]]:
    """Return the head and its metrics on the newest reviews: auc, ece (calibration error), reviews, positive_share.

    The oldest reviews are for training, later ones for calibration, the newest for the metrics. Reviews with more than
    `negative` and less than `positive` stars, or without text (zero vectors), are left out.
    Raises ContractError when a part has only positive or only negative reviews.
    """
    from sklearn.linear_model import LogisticRegression

    stars = np.asarray(ratings, np.float64)
    clear = ((stars >= params.positive) | (stars <= params.negative)) & vectors.any(axis=1)
    order = np.flatnonzero(clear)[np.argsort(timestamps[clear], kind="stable")]
    rows, positive = vectors[order].astype(np.float64), stars[order] >= params.positive
    learn, tune, test = _parts(positive, params)
    model = LogisticRegression(C=params.c, class_weight="balanced", max_iter=1000).fit(rows[learn], positive[learn])
    margin = model.decision_function(rows)
    platt = LogisticRegression(C=1e6, max_iter=1000).fit(margin[tune, None], positive[tune])
    numbers = (float(model.intercept_[0]), float(platt.coef_[0, 0]), float(platt.intercept_[0]))
    head = SentimentHead(np.ascontiguousarray(model.coef_[0]), *numbers, encoder)
    chances = head.score(vectors[order][test])
    metrics = {"auc": auc(chances, positive[test]), "ece": calibration_error(chances, positive[test])}
    return head, metrics | {"reviews": float(len(order)), "positive_share": float(positive.mean())}


def auc(chances: FloatArray, positive: BoolArray) -> float:
    """Return the area under the ROC curve; ties count half."""
    from sklearn.metrics import roc_auc_score

    return float(roc_auc_score(positive, chances))


def calibration_error(chances: FloatArray, positive: BoolArray) -> float:
    """Return the expected calibration error over ten bins of equal width, in [0, 1]. Source: Naeini et al. 2015."""
    bins = np.minimum((chances * BINS).astype(int), BINS - 1)
    gaps = [abs(float(chances[bins == b].mean() - positive[bins == b].mean())) for b in np.unique(bins)]
    sizes = [int((bins == b).sum()) for b in np.unique(bins)]
    return float(np.average(gaps, weights=sizes))


def _parts(positive: BoolArray, params: SentimentParams) -> tuple[slice, slice, slice]:
    """Return the rows, in time order, for training, calibration and metrics."""
    n = len(positive)
    if n < params.min_reviews:
        raise ContractError(
            f"sentiment: expected {params.min_reviews} reviews with a clear rating, got {n}; "
            "lower language.sentiment.min_reviews, or do without"
        )
    size = max(1, round(n * params.held_out_share))
    parts = slice(0, n - 2 * size), slice(n - 2 * size, n - size), slice(n - size, n)
    for name, part in zip(("learn from", "calibrate on", "measure on"), parts, strict=True):
        if len(np.unique(positive[part])) < 2:
            raise ContractError(
                f"sentiment: the {len(positive[part])} reviews to {name} are all on one side of "
                f"{params.negative} to {params.positive} stars; raise language.sentiment.held_out_share, or do without"
            )
    return parts
