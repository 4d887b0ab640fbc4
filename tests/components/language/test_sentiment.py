"""The sentiment head: accuracy, calibration, parts by time, and errors with too few reviews."""

import gzip
import json
from pathlib import Path

import numpy as np
import pytest

from components import params
from components.data import shop_texts
from components.errors import ContractError
from components.language.encoder import Encoder, resolve_model
from components.language.sentiment import SentimentHead, auc, calibration_error, train_sentiment

ROOT = Path(__file__).parents[3]
LANGUAGE = params.load(ROOT / "params.yaml", overrides=["language.threads=1"]).language
PARAMS = LANGUAGE.sentiment


def world(n: int = 600, noise: float = 0.5) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Make unit vectors whose first number depends on the rating, where three of four reviews are positive."""
    rng = np.random.default_rng(4)
    ratings = rng.choice([1, 2, 3, 4, 5], n, p=[0.1, 0.1, 0.1, 0.3, 0.4]).astype(float)
    vectors = rng.normal(0, noise, (n, 6)).astype(np.float32)
    vectors[:, 0] += ratings - 3
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True), ratings, np.arange(n, dtype=np.int64)


def test_the_head_learns_and_is_calibrated() -> None:
    head, metrics = train_sentiment(*world(), PARAMS, "d")
    assert metrics["auc"] > 0.98
    assert metrics["ece"] < 0.06
    good, bad = head.score(np.array([[1, 0, 0, 0, 0, 0], [-1, 0, 0, 0, 0, 0]], np.float32))
    assert good > 0.9
    assert bad < 0.1


def test_random_ratings_give_an_auc_of_one_half() -> None:
    vectors, ratings, times = world()
    shuffled = np.random.default_rng(1).permutation(ratings)
    _, metrics = train_sentiment(vectors, shuffled, times, PARAMS, "d")
    assert 0.35 < metrics["auc"] < 0.65
    assert metrics["ece"] < 0.15  # calibrated; `balanced` weights alone would predict 0.5 for all


def test_metrics_are_of_the_newest_reviews_in_any_row_order() -> None:
    vectors, ratings, times = world()
    ratings[-120:] = 6 - ratings[-120:]  # inverts the newest ratings
    order = np.random.default_rng(2).permutation(len(ratings))
    _, metrics = train_sentiment(vectors[order], ratings[order], times[order], PARAMS, "d")
    assert metrics["auc"] < 0.05


def test_a_saved_head_scores_the_same(tmp_path: Path) -> None:
    vectors, ratings, times = world()
    head, _ = train_sentiment(vectors, ratings, times, PARAMS, "digest")
    head.save(tmp_path)
    assert {p.suffix for p in tmp_path.iterdir()} == {".safetensors", ".json"}
    again = SentimentHead.load(tmp_path)
    np.testing.assert_array_equal(again.score(vectors), head.score(vectors))
    assert again.encoder == "digest"
    with pytest.raises(ContractError, match="expected vectors of length 6"):
        again.score(np.zeros((1, 3), np.float32))
    (tmp_path / "sentiment.json").write_text("{}")
    with pytest.raises(ContractError, match="train it again"):
        SentimentHead.load(tmp_path)


def test_too_few_or_one_sided_reviews_are_refused() -> None:
    vectors, _, times = world()
    with pytest.raises(ContractError, match="expected 100 reviews with a clear rating, got 9"):
        train_sentiment(vectors[:9], [5.0] * 9, times[:9], PARAMS, "d")
    with pytest.raises(ContractError, match="all on one side"):
        train_sentiment(vectors, [5.0] * len(vectors), times, PARAMS, "d")


def test_metrics_by_hand() -> None:
    chances = np.array([0.9, 0.8, 0.2, 0.1], np.float32)
    assert auc(chances, np.array([True, True, False, False])) == 1
    assert auc(chances, np.array([True, False, True, False])) == 0.75
    assert calibration_error(chances, np.array([True, True, False, False])) == pytest.approx(0.15)
    assert calibration_error(np.full(4, 0.75, np.float32), np.array([True, True, True, False])) == pytest.approx(0)


@pytest.mark.parametrize("language", [0, 1])
def test_texts_of_the_simulated_shop_agree_with_its_ratings(language: int) -> None:
    rng = np.random.default_rng(5)
    ratings = rng.integers(1, 6, 400).astype(float)
    texts = [shop_texts.review(int(r), int(rng.integers(10)), language) for r in ratings]
    distinct = sorted(set(texts))
    vectors = Encoder.load(resolve_model("minilm"), LANGUAGE).encode(distinct)
    rows = vectors[[distinct.index(t) for t in texts]]
    _, metrics = train_sentiment(rows, ratings, np.arange(400, dtype=np.int64), PARAMS, "d")
    assert metrics["auc"] > 0.95
    assert metrics["ece"] < 0.1


@pytest.mark.slow
@pytest.mark.real_data
def test_gift_cards(real_data: Path) -> None:
    with gzip.open(real_data / "amazon_gift_cards_2018/Gift_Cards_5.json.gz", "rt") as file:
        reviews = [json.loads(line) for line in file]
    reviews = [r for r in reviews if r.get("reviewText")]
    vectors = Encoder.load(resolve_model("minilm"), LANGUAGE).encode([r["reviewText"] for r in reviews])
    times = np.array([r["unixReviewTime"] for r in reviews], np.int64)
    _, metrics = train_sentiment(vectors, [r["overall"] for r in reviews], times, PARAMS, "d")
    assert metrics["auc"] > 0.8
