"""The simulated shop: the same bytes for the same seed, and the structure that models should learn."""

import csv
import gzip
import hashlib
import json
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest

from components import params
from components.contracts import EVENT_COLUMNS, EVENTS, PRODUCTS
from components.data.shop import read_truth, write_shop
from components.params import ShopParams

SHOP = params.load(Path(__file__).parents[3] / "params.yaml").shop.model_copy(
    update={"n_users": 300, "n_items": 1500, "bad_share": 0.0}
)


def digests(folder: Path) -> dict[str, str]:
    return {
        str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest()
        for p in sorted(folder.rglob("*"))
        if p.is_file()
    }


def read_events(folder: Path) -> list[dict[str, str]]:
    rows: list[dict[str, str]] = []
    for path in sorted((folder / "events").iterdir()):
        with gzip.open(path, "rt", encoding="utf-8") as file:
            rows += csv.DictReader(file)
    return rows


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("shop")
    write_shop(SHOP, 1, folder)
    return folder


@pytest.fixture(scope="module")
def events(shop: Path) -> list[dict[str, str]]:
    return read_events(shop)


def test_same_seed_same_bytes(shop: Path, tmp_path: Path) -> None:
    write_shop(SHOP, 1, tmp_path / "again")
    write_shop(SHOP, 2, tmp_path / "other")
    assert digests(tmp_path / "again") == digests(shop)
    assert digests(tmp_path / "other")["products.jsonl.gz"] != digests(shop)["products.jsonl.gz"]


def test_columns_and_values_satisfy_the_contract(shop: Path, events: list[dict[str, str]]) -> None:
    assert set(events[0]) == set(EVENT_COLUMNS) - {"consent"}
    assert {e["event"] for e in events} == set(EVENTS)
    times = [datetime.fromisoformat(e["timestamp"]) for e in events]
    assert datetime(2025, 11, 1) <= min(times)
    assert max(times) < datetime(2026, 3, 1)
    with gzip.open(shop / "products.jsonl.gz", "rt", encoding="utf-8") as file:
        products = [json.loads(line) for line in file]
    assert set(products[0]) <= set(PRODUCTS)
    assert len({p["item_id"] for p in products}) == SHOP.n_items
    assert {p["language"] for p in products} == {"en", "zh"}


def test_items_have_no_event_before_they_are_listed(shop: Path, events: list[dict[str, str]]) -> None:
    with gzip.open(shop / "products.jsonl.gz", "rt", encoding="utf-8") as file:
        listed = {p["item_id"]: datetime.fromisoformat(p["timestamp"][:-1]) for p in map(json.loads, file)}
    assert all(datetime.fromisoformat(e["timestamp"]) >= listed[e["item_id"]] for e in events)


def test_top_positions_are_clicked_more(events: list[dict[str, str]]) -> None:
    def clicks(places: set[str]) -> float:
        shown = sum(e["event"] == "impression" and e["position"] in places for e in events)
        clicked = sum(e["event"] == "click" and e["position"] in places for e in events)
        return clicked / shown

    assert clicks({"1", "2", "3"}) > 1.5 * clicks({"10", "11", "12"})


def test_each_step_of_the_funnel_has_fewer_events(events: list[dict[str, str]]) -> None:
    n = {name: sum(e["event"] == name for e in events) for name in EVENTS}
    assert n["impression"] > n["click"] > n["cart"] > n["purchase"] > n["return"] > 0


def test_propensities_are_probabilities_that_match_the_log(shop: Path, events: list[dict[str, str]]) -> None:
    """An item shown with probability p is shown p times as often: mean of 1/p over a group is its size."""
    shown = [(e["item_id"], float(e["propensity"])) for e in events if e["event"] == "impression"]
    p = np.array([x[1] for x in shown])
    assert ((p > 0) & (p <= 1)).all()
    truth = read_truth(shop)
    english = np.array([truth.item_language[int(i[1:]) - 1] == 0 for i, _ in shown])
    for group, size in ((english, (truth.item_language == 0).sum()), (~english, (truth.item_language == 1).sum())):
        # sum of 1/p over the log estimates (number of positions) x (number of items); few items are never shown
        assert 0.4 < (1 / p[group]).sum() / (len(p) * size) < 1.3


def test_the_best_ranking_by_the_truth_beats_popularity(shop: Path, events: list[dict[str, str]]) -> None:
    truth = read_truth(shop)
    wanted = [(int(e["user_id"][1:]) - 1, int(e["item_id"][1:]) - 1) for e in events if e["event"] == "cart"]
    popular = np.bincount([i for _, i in wanted], minlength=SHOP.n_items)
    ranks: dict[str, list[int]] = {"truth": [], "popularity": []}
    for user, item in wanted[-400:]:
        best = truth.expected_demand(user, 119.0)
        ranks["truth"].append(int((best > best[item]).sum()))
        ranks["popularity"].append(int((popular > popular[item]).sum()))
    assert np.mean(np.array(ranks["truth"]) < 50) > np.mean(np.array(ranks["popularity"]) < 50)
    assert np.median(ranks["truth"]) < SHOP.n_items * 0.1


def test_tastes_shift_to_outdoor_categories_on_shift_day(shop: Path, events: list[dict[str, str]]) -> None:
    truth = read_truth(shop)
    outdoor = np.isin(truth.leaf // 6, [1, 7, 8])  # Garden, Sports, Outdoor in shop_texts.CATEGORIES
    shift = datetime.fromisoformat("2026-01-30")
    moved = {f"U{i + 1:05d}" for i in np.flatnonzero(truth.shifts)}

    def share(after: bool, users_moved: bool) -> float:
        rows = [
            outdoor[int(e["item_id"][1:]) - 1]
            for e in events
            if e["event"] == "click"
            and (datetime.fromisoformat(e["timestamp"]) >= shift) == after
            and (e["user_id"] in moved) == users_moved
        ]
        return float(np.mean(rows))

    assert share(True, True) > share(False, True) + 0.2
    assert abs(share(True, False) - share(False, False)) < 0.1


def test_reviews_agree_with_their_rating(shop: Path) -> None:
    with gzip.open(shop / "reviews.jsonl.gz", "rt", encoding="utf-8") as file:
        reviews = [json.loads(line) for line in file]
    assert {r["rating"] for r in reviews} >= {2, 3, 4, 5}
    assert all(r["rating"] == 5 for r in reviews if "love it" in r["text"] or "非常喜欢" in r["text"])


def test_a_share_of_rows_is_faulty(tmp_path: Path) -> None:
    write_shop(SHOP.model_copy(update={"bad_share": 0.01}), 1, tmp_path)
    rows = read_events(tmp_path)
    bad = sum(
        not r["user_id"] or not r["item_id"] or r["event"] not in EVENTS or r["quantity"] == "-1" or r["price"] == "NaN"
        or r["propensity"] == "7" for r in rows
    )  # fmt: skip
    assert 0.007 < bad / len(rows) < 0.013


@pytest.mark.parametrize(("n_users", "n_items", "days"), [(10, 50, 14), (25, 60, 30)])
def test_a_tiny_shop_has_events(n_users: int, n_items: int, days: int, tmp_path: Path) -> None:
    tiny = ShopParams(
        **{**SHOP.model_dump(), "n_users": n_users, "n_items": n_items, "days": days, "shift_day": days // 2}
    )
    write_shop(tiny, 3, tmp_path)
    assert len({e["user_id"] for e in read_events(tmp_path)}) == n_users
