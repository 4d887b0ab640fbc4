"""A bundle whose parts are of several runs is refused, when it is packaged and when it is opened."""

import json
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from safetensors.numpy import load_file, save_file

from components.errors import ContractError
from components.origin import Origin, stamp
from components.params import Params
from components.release.bundle import open_bundle
from components.stages.package import package
from tests.components.stages.test_package import evaluated, params, run  # noqa: F401

OTHER = Origin(catalogue="1" * 64, encoder="0" * 64)


def shift(items: Path) -> None:
    """Move the ids by one row: every id then means its neighbour."""
    table = pq.read_table(items)
    ids = np.roll(np.array(table["item_id"].to_pylist(), dtype=object), 1).tolist()
    column = table.column_names.index("item_id")
    pq.write_table(table.set_column(column, "item_id", pa.array(ids)), items, write_page_checksum=True)


def swap(items: Path) -> None:
    table = pq.read_table(items)
    pq.write_table(table.take([1, 0, *range(2, len(table))]), items, write_page_checksum=True)


def shorten(items: Path) -> None:
    table = pq.read_table(items)
    pq.write_table(table.slice(0, len(table) - 1), items, write_page_checksum=True)


def without_mark(file: Path) -> None:
    save_file(load_file(file), file)


def of_another(folder: Path) -> None:
    stamp(folder, OTHER)


def remanifest(bundle: Path) -> None:
    """Make the manifest agree with the files, as one who puts a bundle together would."""
    files = [p for p in bundle.rglob("*") if p.is_file() and p.name != "manifest.json"]
    entries = {
        p.relative_to(bundle).as_posix(): {"sha256": sha256(p.read_bytes()).hexdigest(), "bytes": p.stat().st_size}
        for p in files
    }
    manifest = json.loads((bundle / "manifest.json").read_text()) | {"files": entries}
    (bundle / "manifest.json").write_text(json.dumps(manifest))


CHANGES: list[tuple[str, Callable[[Path], None]]] = [
    ("items.parquet", shift),
    ("items.parquet", swap),
    ("items.parquet", shorten),
    ("items.safetensors", without_mark),
    ("model/arrays.safetensors", without_mark),
    ("search/arrays.safetensors", without_mark),
    ("model", of_another),
    ("fallback", of_another),
    ("search", of_another),
]


@pytest.fixture
def bundle(evaluated: Callable[..., Path], params: Params) -> Path:  # noqa: F811
    root = evaluated("whole")
    package(root, params)
    return root / "bundle"


@pytest.mark.parametrize(("name", "change"), CHANGES, ids=[f"{n} {c.__name__}" for n, c in CHANGES])
def test_a_mixed_bundle_is_not_opened(bundle: Path, name: str, change: Callable[[Path], None]) -> None:
    open_bundle(bundle)
    change(bundle / name)
    remanifest(bundle)
    with pytest.raises(ContractError, match=r"products|does not belong"):
        open_bundle(bundle)


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("data/split/items.parquet", shift),
        ("data/split/items.parquet", swap),
        ("models/simple/ease/arrays.safetensors", without_mark),
        ("models/simple/ease", of_another),
        ("models/simple/popularity", of_another),
        ("features", of_another),
    ],
)
def test_mixed_parts_are_not_packaged(
    evaluated: Callable[..., Path], params: Params, name: str, change: Callable[[Path], None]  # noqa: F811
) -> None:  # fmt: skip
    root = evaluated("mixed")
    change(root / name)
    with pytest.raises(ContractError, match=r"does not belong to these products"):
        package(root, params)
    assert not (root / "bundle/manifest.json").exists()


def test_a_bundle_from_before_the_marks_is_opened_with_what_can_be_compared(bundle: Path) -> None:
    info = json.loads((bundle / "info.json").read_text())
    del info["catalogue"]
    (bundle / "info.json").write_text(json.dumps(info))
    for file in bundle.rglob("*.safetensors"):
        without_mark(file)
    remanifest(bundle)
    assert open_bundle(bundle).info.catalogue == ""
    other = json.loads((bundle / "fallback/model.json").read_text()) | {"n_items": 21}
    (bundle / "fallback/model.json").write_text(json.dumps(other))
    remanifest(bundle)
    with pytest.raises(ContractError, match=r"fallback/model\.json is of 21 products, items\.parquet holds 20"):
        open_bundle(bundle)
