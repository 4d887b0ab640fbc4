"""Parameters of small shops, and snapshots taken of them."""

from collections.abc import Callable, Sequence
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from components import params
from components.data.snapshot import take_snapshot
from components.data.split import Holdout, make_split
from components.data.tables import SplitInfo
from tests.components.data.small import write_snapshot
from tests.components.data.support import PRODUCTS, TIME, Cut, Ingested, write
from tests.support import ROOT


@pytest.fixture(scope="session")
def standard() -> dict[str, Any]:
    """Return the sections of params.yaml with all defaults, read once."""
    return params.merge(ROOT / "params.yaml", [], [])


@pytest.fixture
def settings(standard: dict[str, Any]) -> Callable[..., params.Params]:
    """Return a function that makes Params: values of the section data by name, other sections as dictionaries."""

    def make(sections: dict[str, Any] | None = None, **data: Any) -> params.Params:
        tree = deepcopy(standard)
        sources = {"products": [{"path": "in/products.csv"}], "events": [{"path": "in/events.csv"}]}
        small = {"simulated": False, "as_of": "2026-03-01T00:00:00Z", "threads": 1, "max_bad_share": 1.0}
        tree["data"] |= {"sources": sources, **small, **data}
        for name, section in (sections or {}).items():
            tree[name] |= section
        return params.check(tree, "test")

    return make


@pytest.fixture
def ingest(tmp_path: Path, settings: Callable[..., params.Params]) -> Callable[..., Ingested]:
    """Return a function that writes files below tmp_path and takes a snapshot of them."""

    def run(files: dict[str, bytes], **data: Any) -> Ingested:
        write(tmp_path, {"in/products.csv": PRODUCTS, **files})
        (tmp_path / "data/snapshot").mkdir(parents=True, exist_ok=True)
        chosen = settings(**data).data
        quality = take_snapshot(chosen, tmp_path, tmp_path / "data/snapshot", tmp_path / "data/quarantine")
        return Ingested(tmp_path, quality)

    return run


@pytest.fixture
def snapshot(tmp_path: Path) -> Path:
    """Return a snapshot with three users, four items and days 1 to 28 of January."""
    rows: list[tuple[str | None, str, str, str]] = [
        ("ann", "a", "2026-01-01 10:00:00", "purchase"),
        ("ann", "b", "2026-01-02 10:00:00", "view"),
        ("bob", "a", "2026-01-03 10:00:00", "purchase"),
        (None, "c", "2026-01-04 10:00:00", "purchase"),
        ("ann", "c", "2026-01-10 00:00:00", "purchase"),
        ("bob", "b", "2026-01-12 10:00:00", "cart"),
        ("cid", "d", "2026-01-18 10:00:00", "purchase"),
        ("ann", "d", "2026-01-19 23:59:59", "purchase"),
        ("bob", "c", "2026-01-20 00:00:00", "purchase"),
        ("cid", "a", "2026-01-25 10:00:00", "purchase"),
        ("cid", "a", "2026-01-26 10:00:00", "impression"),
        ("ann", "nowhere", "2026-01-26 11:00:00", "purchase"),
    ]
    return write_snapshot(tmp_path / "snapshot", rows, ["d", "b", "a", "c"])


@pytest.fixture
def cut(tmp_path: Path, settings: Callable[..., Any]) -> Cut:
    """Return a function that splits events given as (user, item, time, event), and a quantity where they have one."""

    def run(
        events: Sequence[tuple[str, ...]], split: dict[str, Any] = TIME, holdout: Holdout | None = None, **data: Any
    ) -> tuple[Path, SplitInfo]:
        rows = "".join(",".join(e) + "\n" for e in events)
        fifth = "propensity" if any(e[3] == "impression" for e in events) else "quantity"
        header = ",".join(("user_id", "item_id", "timestamp", "event", fifth)[: max(map(len, events), default=4)])
        write(
            tmp_path,
            {"in/products.csv": PRODUCTS, "in/events.csv": f"{header}\n{rows}".encode()},
        )
        params = settings({"split": split}, **data)
        snapshot, out = tmp_path / "data/snapshot", tmp_path / "data/split"
        for folder in (snapshot, out):
            folder.mkdir(parents=True, exist_ok=True)
        take_snapshot(params.data, tmp_path, snapshot, tmp_path / "data/quarantine")
        return out, make_split(snapshot, out, params.split, params.data.as_of, 1.0, holdout)

    return run
