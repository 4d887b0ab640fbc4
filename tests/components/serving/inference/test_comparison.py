"""What the page says of products; the comparison itself is tested through its route."""

from pathlib import Path

from components.release.bundle import open_bundle
from components.serving.inference.comparison import describe_products


def test_products_are_described_once_and_unknown_ones_left_out(bundle: Path) -> None:
    found = describe_products(open_bundle(bundle), ["sku-2", "unknown", "sku-2", "sku-1"])
    assert list(found) == ["sku-2", "sku-1"]
    assert (found["sku-2"].category, found["sku-1"].category) == ("even blue", "odd red")
    assert found["sku-1"].price is None or found["sku-1"].price >= 0
