"""The cache of a backtest belongs to its data, each result in it to its code."""

import os
import shutil
from pathlib import Path

import pytest

import components
from components.backtest.opening import open_engine
from components.data.partitions import partitions
from tests.components.backtest.support import make_params


def test_equal_data_share_a_cache_and_other_data_do_not(snapshot: Path, tmp_path: Path) -> None:
    first = open_engine(snapshot, make_params(), tmp_path / "shop", tmp_path)
    assert first.snapshot != snapshot
    for table in ("events", "products"):
        assert [p.read_bytes() for p in partitions(first.snapshot, table)] == [
            p.read_bytes() for p in partitions(snapshot, table)
        ]
    assert open_engine(snapshot, make_params("seed=3"), tmp_path / "shop", tmp_path).cache.folder == first.cache.folder
    other = tmp_path / "other"
    shutil.copytree(snapshot, other)
    shutil.copyfile(partitions(other, "events")[0], partitions(other, "events")[1])
    assert open_engine(other, make_params(), tmp_path / "shop", tmp_path).cache.folder != first.cache.folder


@pytest.mark.parametrize(
    ("edited", "kept"),
    [
        ("release/refresh_gate.py", {"snapshot", "cuts", "splits", "fits", "scores"}),
        ("backtest/passes.py", {"snapshot", "cuts", "splits", "fits", "scores"}),
        ("backtest/summary.py", {"snapshot", "cuts", "splits", "fits", "scores", "passes"}),
        ("recommenders/ease.py", {"snapshot", "cuts", "splits"}),
        ("backtest/engine.py", {"snapshot"}),
    ],
)
def test_an_edit_makes_anew_what_depends_on_it(
    edited: str, kept: set[str], snapshot: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = open_engine(snapshot, make_params(), tmp_path / "shop", tmp_path).cache
    code = tmp_path / "components"
    shutil.copytree(components.__path__[0], code, ignore=shutil.ignore_patterns("__pycache__"))
    with (code / edited).open("a") as file:
        file.write("# edited\n")
    monkeypatch.setattr(components, "__path__", [str(code)])
    after = open_engine(snapshot, make_params(), tmp_path / "shop", tmp_path).cache
    assert {kind for kind in before.base if before.base[kind] == after.base[kind]} == kept
    assert "fits" in kept or before.key("fits", {"a": 1}) != after.key("fits", {"a": 1})


def test_old_caches_are_removed(snapshot: Path, tmp_path: Path) -> None:
    for age, name in ((300, "oldest"), (200, "older"), (100, "old")):
        (tmp_path / "shop/backtest" / name).mkdir(parents=True)
        os.utime(tmp_path / "shop/backtest" / name, (age, 1e9 - age))
    engine = open_engine(snapshot, make_params(), tmp_path / "shop", tmp_path)
    assert {p.name for p in (tmp_path / "shop/backtest").iterdir()} == {"old", engine.cache.folder.name}
