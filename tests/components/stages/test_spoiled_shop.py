"""Random events and missing values go from files to metrics without a crash, and no row is lost on the way."""

import shutil
from contextlib import chdir
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from components.data.partitions import read_table
from components.data.shop import write_shop
from components.data.snapshot import take_snapshot
from components.data.split import make_split
from components.data.tables import read_catalogue, read_interactions, read_users
from components.errors import ContractError, QualityError
from components.evaluation.metrics import per_user
from components.evaluation.protocol import rank, window_users
from components.params import Params, load
from components.recommenders.factory import create
from components.recommenders.hybrid import HybridRecommender
from tests.components.data.spoiled_shop import add_random_events, blank, drop
from tests.support import ROOT

SHOP = ["shop.n_users=120", "shop.n_items=80", "shop.days=60", "split.validation_days=7", "split.test_days=7",
        "models.als.factors=8"]  # fmt: skip
MODELS = ("popularity", "interests", "tfidf", "content", "neighbours", "transitions", "ease", "als")
RAW = Path("data/raw")


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the files of a tiny shop."""
    params, folder = load(ROOT / "params.yaml", overrides=SHOP), tmp_path_factory.mktemp("exported")
    write_shop(params.shop, params.seed, folder)
    return folder


@pytest.fixture
def shop(exported: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Params:
    """Return the parameters of the shop, whose files are below data/raw of the current folder."""
    shutil.copytree(exported, tmp_path / RAW)
    monkeypatch.chdir(tmp_path)
    return load(ROOT / "params.yaml", overrides=SHOP)


Counted = dict[str, dict[str, int]]


def run(params: Params, max_bad_share: float = 0.02) -> tuple[Counted, dict[str, float]]:
    """Return the counts by table, and NDCG@10 by model; snapshot and quarantine have as many rows as were counted."""
    data = params.data.model_copy(update={"max_bad_share": max_bad_share})
    snapshot, split = Path("data/snapshot"), Path("data/split")
    for folder in (snapshot, split):
        folder.mkdir()
    quality = take_snapshot(data, Path(), snapshot, Path("data/quarantine"))
    counts = {table: quality[table].counts.model_dump() for table in ("events", "products")}
    for table, found in counts.items():
        assert found["read"] == found["valid"] + found["quarantined"]
        assert read_table(snapshot, table).num_rows == found["valid"]
        assert pq.read_table(f"data/quarantine/{table}.parquet").num_rows == found["quarantined"]
    make_split(snapshot, split, params.split, data.as_of, data.memory_gib)
    return counts, measure(params, split)


def measure(params: Params, split: Path) -> dict[str, float]:
    """Return NDCG@10 of the models that are fitted in one step, and of their blend; product vectors are random."""
    events, catalogue = read_interactions(split), read_catalogue(split)
    vectors = np.random.default_rng(0).normal(size=(len(catalogue) + 1, 8)).astype(np.float32)
    catalogue = replace(catalogue, embedding=vectors / np.linalg.norm(vectors, axis=1, keepdims=True))
    validation, test = read_users(split, "validation"), window_users(split, "test", exclude_seen=True)
    models = {name: create(name, params).fit(events, catalogue, validation) for name in MODELS}
    blend = HybridRecommender.of_parts(dict(models), params).blend(validation, events.n_items, None)
    lists = {
        name: rank(model, test, 10, True, events.n_items, 100) for name, model in {**models, "hybrid": blend}.items()
    }
    return {name: float(per_user(rows, test.ground_truth, [10])["ndcg_at_10"].mean()) for name, rows in lists.items()}


@pytest.fixture(scope="module")
def unspoiled(exported: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Counted, dict[str, float]]:
    """Return what the shop's own files give."""
    with chdir(tmp_path_factory.mktemp("unspoiled")):
        shutil.copytree(exported, RAW)
        return run(load(ROOT / "params.yaml", overrides=SHOP))


Unspoiled = tuple[Counted, dict[str, float]]


@pytest.mark.slow
@pytest.mark.parametrize("share", [0.05, 0.2])
def test_random_events_are_counted_and_cost_no_more_than_some(shop: Params, unspoiled: Unspoiled, share: float) -> None:
    n = add_random_events(RAW, share)
    counts, ndcg = run(shop)
    assert n > 90
    assert counts["events"]["valid"] == unspoiled[0]["events"]["valid"] + n
    assert counts["events"]["quarantined"] == unspoiled[0]["events"]["quarantined"]
    assert all(0 < value < 1 for value in ndcg.values())
    assert ndcg["interests"] < unspoiled[1]["interests"]  # the test can fail: noise reaches the models


@pytest.mark.slow
@pytest.mark.parametrize(
    ("table", "column", "reader"),
    [
        ("products", "title", "tfidf"), ("products", "category", "interests"), ("products", "price", ""),
        ("products", "timestamp", ""), ("events", "price", ""), ("events", "session_id", ""),
    ],
)  # fmt: skip
@pytest.mark.parametrize("share", [0.3, 1.0])
def test_where_optional_values_are_missing_all_rows_are_taken(
    shop: Params, unspoiled: Unspoiled, table: str, column: str, reader: str, share: float
) -> None:
    """Of a column that is left out altogether, as of values that are; models that do not read it are the same."""
    if share == 1.0:
        drop(RAW, table, column)
    else:
        assert blank(RAW, table, column, share) > 0
    counts, ndcg = run(shop)
    assert counts == unspoiled[0]
    changed = {name for name, value in ndcg.items() if value != unspoiled[1][name]} - {"hybrid"}
    assert changed - {"tfidf"} == {reader} - {"tfidf", ""}
    assert reader != "tfidf" or "tfidf" in changed


@pytest.mark.slow
def test_a_shop_without_any_text_is_ranked(shop: Params, unspoiled: Unspoiled) -> None:
    for column in ("title", "description", "brand", "category", "language", "price", "timestamp"):
        drop(RAW, "products", column)
    counts, ndcg = run(shop)
    assert counts == unspoiled[0]
    assert ndcg["ease"] == unspoiled[1]["ease"]
    assert all(np.isfinite(value) for value in ndcg.values())


@pytest.mark.slow
def test_events_without_a_time_are_quarantined_and_stop_the_run_where_they_are_many(shop: Params) -> None:
    n = blank(RAW, "events", "timestamp", 0.3)
    with pytest.raises(QualityError, match="timestamp: missing"):
        take_snapshot(shop.data, Path(), Path(), Path("data/quarantine"))
    counts, ndcg = run(shop, max_bad_share=0.5)
    assert counts["events"]["quarantined"] >= n
    assert ndcg["popularity"] > 0


def test_a_shop_without_times_of_events_is_refused_by_name(shop: Params) -> None:
    drop(RAW, "events", "timestamp")
    with pytest.raises(ContractError, match="expected a column timestamp"):
        take_snapshot(shop.data, Path(), Path(), Path("data/quarantine"))
