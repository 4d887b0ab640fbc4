"""The files of a plan: what is written is read, filters, and missing files."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from components.applications.inventory.plan import InventoryPlan
from components.applications.inventory.published import clean_row, read_published, write_plan
from components.applications.record import ApplicationRecord, write_application
from components.errors import ContractError

PLAN = InventoryPlan(
    pd.DataFrame(
        {
            "item_id": ["a", "b", "c"], "action": ["order", "none", "order"], "stock": [1.0, np.nan, 3.0],
            "category": ["Tea", "Tea > Green", "Teapots"],
        }
    ),
    pd.DataFrame({"item_id": ["a", "a", "b"], "step": [1, 2, 1], "mean": [1.5, 2.5, np.inf]}),
)  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    found = tmp_path / "applications/inventory"
    write_plan(found, PLAN)
    record = ApplicationRecord(
        application="inventory", as_of="2026-03-01", simulated=False, ships="model", reasons=[], metrics={}
    )
    write_application(tmp_path, record)
    return found


def test_what_was_written_is_read(folder: Path) -> None:
    found = read_published(folder)
    assert [row["item_id"] for row in found.products] == ["a", "b", "c"]
    assert found.products[1]["stock"] is None
    assert found.rows == {"a": 0, "b": 1, "c": 2}
    assert found.forecast("a") == [{"step": 1, "mean": 1.5}, {"step": 2, "mean": 2.5}]
    assert found.forecast("b") == [{"step": 1, "mean": None}]  # not finite: no JSON
    assert found.forecast("c") == []


def test_a_category_has_those_below_it_and_no_other_that_begins_alike(folder: Path) -> None:
    found = read_published(folder)
    assert [row["item_id"] for row in found.select(None, "Tea")] == ["a", "b"]
    assert [row["item_id"] for row in found.select("order", "Tea")] == ["a"]
    assert len(found.select(None, None)) == 3


def test_equal_plans_give_equal_bytes(folder: Path, tmp_path: Path) -> None:
    write_plan(tmp_path / "again", PLAN)
    assert (tmp_path / "again/products.parquet").read_bytes() == (folder / "products.parquet").read_bytes()


@pytest.mark.parametrize("name", ["products.parquet", "forecasts.parquet", "record.json"])
def test_a_missing_file_is_named_with_what_to_do(folder: Path, name: str) -> None:
    (folder / name).unlink()
    with pytest.raises(ContractError, match=rf"missing: .*{name}.*run `carousel inventory` again"):
        read_published(folder)


def test_values_that_are_no_numbers_are_null() -> None:
    assert clean_row({"x": float("nan"), 1: 2.0, "y": "z"}) == {"x": None, "1": 2.0, "y": "z"}
