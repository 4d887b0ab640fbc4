"""The overlay of docs/your-shop.md is read as written."""

import re
from pathlib import Path

import pytest
import yaml

from components import params
from components.data.snapshot import take_snapshot

ROOT = Path(__file__).parents[2]


def overlays_of_the_page() -> list[str]:
    """Return the YAML blocks: the overlay of a shop, and one with items of another kind."""
    blocks = re.findall(r"^```yaml\n(.*?)^```$", (ROOT / "docs/your-shop.md").read_text(), re.MULTILINE | re.DOTALL)
    assert len(blocks) == 2
    return blocks


@pytest.fixture
def overlay(tmp_path: Path) -> Path:
    """Return the overlay without its database, which a test does not have."""
    text = overlays_of_the_page()[0]
    tree = yaml.safe_load(text)
    (file, database) = tree["data"]["sources"]["events"]
    assert database["type"] == "postgres"
    tree["data"]["sources"]["events"] = [file]
    (tmp_path / "shop.yaml").write_text(yaml.safe_dump(tree))
    return tmp_path / "shop.yaml"


def test_the_overlay_of_the_page_reads_what_it_describes(overlay: Path, tmp_path: Path) -> None:
    """The column created of a CSV file is text: Unix seconds, for which the page writes to_timestamp(created)."""
    orders = tmp_path / "exports/orders"
    orders.mkdir(parents=True)
    (tmp_path / "exports/products.jsonl").write_text('{"item_id": "A1", "title": "Tea"}\n')
    (orders / "2026-01.csv").write_text(
        "customer,sku,created,status\nann,a1,1767225600,paid\nbob,a1,1767229200.5,paid\ncid,a1,1767229200,test\n"
        "dan,a1,,paid\n"
    )
    for file in (tmp_path / "exports/products.jsonl", orders / "2026-01.csv"):
        import gzip

        file.with_name(f"{file.name}.gz").write_bytes(gzip.compress(file.read_bytes()))
        file.unlink()
    loaded = params.load(ROOT / "params.yaml", [overlay], ["data.max_bad_share=1"])
    for name in ("snapshot", "quarantine"):
        (tmp_path / "data" / name).mkdir(parents=True)
    quality = take_snapshot(loaded.data, tmp_path, tmp_path / "data/snapshot", tmp_path / "data/quarantine")
    counts = quality["events"].counts
    assert (counts.read, counts.valid, counts.filtered, counts.quarantined) == (4, 2, 1, 1)

    import pyarrow.parquet as pq

    rows = pq.ParquetFile(tmp_path / "data/snapshot/events/month=2026-01/part-0.parquet").read().to_pylist()
    assert [(r["user_id"], r["item_id"], r["timestamp"].isoformat()[:22]) for r in rows] == [
        ("ann", "A1", "2026-01-01T00:00:00"),
        ("bob", "A1", "2026-01-01T01:00:00.50"),
    ]


def test_the_overlay_with_articles_is_valid(tmp_path: Path) -> None:
    file = tmp_path / "shop.yaml"
    file.write_text(overlays_of_the_page()[1])
    products = params.load(ROOT / "params.yaml", [file]).data.sources["products"]
    assert [source.columns.get("kind") for source in products] == [None, "'article'"]
