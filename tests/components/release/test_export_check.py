"""`doctor --like` recognises the files of each export by their columns, and says what is expected of others."""

import shutil
from pathlib import Path

import pytest

from components.errors import ParamsError
from components.release.doctor import Finding
from components.release.export_check import examine_export, list_exports
from tests.components.data.test_exports import SAMPLES
from tests.support import ROOT


def look(name: str, *files: Path, data_root: Path = ROOT) -> list[Finding]:
    return examine_export(ROOT, data_root, name, list(files), [], [])


@pytest.mark.parametrize("name", list_exports(ROOT))
def test_a_sample_is_complete(name: str) -> None:
    found = look(name, SAMPLES / name)
    assert [f for f in found if not f.ok] == []
    assert [f.name for f in found[:-1]] == sorted(p.name for p in (SAMPLES / name).iterdir())
    assert "next: carousel retrain --params examples/exports/" in found[-1].found
    assert look(name, data_root=SAMPLES)[-1] == found[-1]


def test_mapped_absent_and_unused_columns_are_named(tmp_path: Path) -> None:
    lines = (SAMPLES / "shopify/products_export.csv").read_text().splitlines()
    header = lines[0].replace("Image Src", "Picture")
    (tmp_path / "1.csv").write_text("\n".join([header, *lines[1:]]) + "\n")
    (found, *missing) = look("shopify", tmp_path / "1.csv")
    assert found.ok
    assert "products: item_id <- Handle; " in found.found
    assert "title <- Title" in found.found
    assert 'sku_product_of: key <- "Variant SKU"; value <- Handle' in found.found
    assert "absent, so null: Image Src" in found.found
    assert "not used: Tags, Published, " in found.found
    assert found.advice == "name it as shopify/*product*.csv"
    assert [(f.name, f.ok) for f in missing] == [("shopify/*order*.csv", False), ("shopify/*customer*.csv", False)]
    assert missing[1].found == "no such file; expected: Email, Customer ID"


def test_an_unknown_layout_gets_expected_and_found_columns(tmp_path: Path) -> None:
    (tmp_path / "orders.csv").write_text("Order,Email,Created at,SKU\n1,a@shop.example,2026-01-01,x\n")
    found = look("shopify", tmp_path / "orders.csv")[0]
    assert not found.ok
    assert found.found.splitlines() == [
        "no file of shopify; as shopify/*order*.csv (events)",
        "expected: Lineitem sku, Lineitem name, Lineitem quantity, Lineitem price, Name, Email, Created at, "
        "Financial Status, Cancelled at",
        "found: Order, Email, Created at, SKU",
        "missing: Lineitem sku, Lineitem name, Lineitem quantity, Lineitem price, Name, Financial Status, Cancelled at",
    ]
    assert "docs/your-shop.md" in found.advice


def test_files_that_cannot_be_read_say_why(tmp_path: Path) -> None:
    (tmp_path / "visits.json").write_text("[\n{}\n]\n")
    (tmp_path / "empty.csv").write_text("")
    for name, reason in (("visits.json", "jq -c"), ("empty.csv", "empty file"), ("gone.csv", "found none")):
        found = look("matomo", tmp_path / name)[0]
        assert not found.ok
        assert reason in found.found


def test_json_lines_may_lack_keys_without_values(tmp_path: Path) -> None:
    """BigQuery writes no key where a value is null."""
    (tmp_path / "e.json").write_text('{"event_timestamp": "1", "event_name": "x", "items": [], "event_params": []}\n')
    found = look("ga4", tmp_path / "e.json")[0]
    assert found.ok
    assert "absent, so null: user_id, user_pseudo_id" in found.found
    (tmp_path / "o.json").write_text('{"order": 1, "items": []}\n')
    assert not look("ga4", tmp_path / "o.json")[0].ok


def test_nothing_below_the_data_root_says_what_is_expected(tmp_path: Path) -> None:
    found = look("movielens", data_root=tmp_path)
    assert [f.name for f in found] == ["movielens/movies.csv", "movielens/ratings.csv"]
    assert found[1].found == "no such file; expected: timestamp, userId, movieId, rating"


def test_a_wrong_name_is_answered_with_the_known_ones() -> None:
    with pytest.raises(ParamsError, match=r"--like shop: expected one of ga4, hm, instacart, .*shopify, woo"):
        look("shop")


def test_files_are_read_where_they_lie_compressed(tmp_path: Path) -> None:
    import gzip

    (tmp_path / "movies.csv.gz").write_bytes(gzip.compress((SAMPLES / "movielens/movies.csv").read_bytes()))
    shutil.copy(SAMPLES / "movielens/ratings.csv", tmp_path)
    assert all(f.ok for f in look("movielens", tmp_path / "movies.csv.gz", tmp_path / "ratings.csv"))
