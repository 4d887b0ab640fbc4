"""Items of another kind, by a second source with its own columns: snapshot, split and slices by configuration."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from components.data.snapshot import take_snapshot
from components.data.split import make_split
from components.data.tables import read_catalogue, read_interactions
from components.evaluation.protocol import window_users
from components.evaluation.slices import slice_masks, trained_items
from tests.components.data.support import write

SPLIT = {"validation_days": 7, "test_days": 7, "target_events": ["purchase"], "weights": {"view": 0.5, "purchase": 1.0}}
SOURCES = {
    "products": [
        {"path": "in/products.csv"},
        {"path": "in/articles.csv", "columns": {"item_id": "slug", "title": "headline", "kind": "'article'"}},
    ],
    "events": [
        {"path": "in/events.csv"},
        {"path": "in/reads.csv", "columns": {"item_id": "slug", "event": "'purchase'"}},  # read to its end
    ],
}
FILES = {
    "in/products.csv": b"item_id,title\ntea,Green tea\ncup,A cup\n",
    "in/articles.csv": b"slug,headline\nhow-to,How to make tea\nnews,News of tea\n",
    "in/events.csv": b"user_id,item_id,timestamp,event\nann,tea,2026-01-01,purchase\nann,cup,2026-02-24,purchase\n"
    b"bob,tea,2026-02-16,purchase\n",
    "in/reads.csv": b"user_id,slug,timestamp\nann,how-to,2026-01-02\nann,news,2026-02-25\nbob,news,2026-01-03\n",
}


def test_a_second_schema_runs_through_the_pipeline(tmp_path: Path, settings: Callable[..., Any]) -> None:
    write(tmp_path, FILES)
    params = settings({"split": SPLIT}, sources=SOURCES)
    snapshot, out = tmp_path / "data/snapshot", tmp_path / "data/split"
    for folder in (snapshot, out):
        folder.mkdir(parents=True)
    take_snapshot(params.data, tmp_path, snapshot, tmp_path / "data/quarantine")
    info = make_split(snapshot, out, params.split, params.data.as_of, 1.0)
    catalogue = read_catalogue(out)
    kinds = dict(zip(catalogue.item_id[1:], catalogue.kinds[1:], strict=True))
    assert kinds == {"tea": "product", "cup": "product", "how-to": "article", "news": "article"}
    names, codes = catalogue.kind_codes
    assert names == ["", "article", "product"]
    assert codes[0] == 0
    users = window_users(out, "test", True)
    trained = trained_items(read_interactions(out).item_idx, info.n_items)
    masks = slice_masks(users, catalogue, trained, cold_user_events=5)
    assert [name for name in masks if name.startswith("kind:")] == ["kind:article", "kind:product"]
    chosen = users.ground_truth.item_idx[masks["kind:article"]]
    assert [catalogue.item_id[n] for n in chosen] == ["news"]


def test_a_shop_without_kinds_has_products_and_no_further_slices(tmp_path: Path, settings: Callable[..., Any]) -> None:
    write(tmp_path, FILES)
    params = settings({"split": SPLIT}, sources={"products": SOURCES["products"][:1], "events": SOURCES["events"][:1]})
    snapshot, out = tmp_path / "data/snapshot", tmp_path / "data/split"
    for folder in (snapshot, out):
        folder.mkdir(parents=True)
    take_snapshot(params.data, tmp_path, snapshot, tmp_path / "data/quarantine")
    make_split(snapshot, out, params.split, params.data.as_of, 1.0)
    catalogue = read_catalogue(out)
    assert (catalogue.kind, set(catalogue.kinds[1:])) == (None, {"product"})
    users = window_users(out, "test", True)
    masks = slice_masks(users, catalogue, np.ones(3, np.bool_), cold_user_events=5)
    assert not any(name.startswith("kind:") for name in masks)
