"""Tables belong together by the values of their keys, not by names alone."""

from pathlib import Path

from components.applications.advice.joins import coverage, find_key_join, find_products, is_one_to_one
from tests.components.applications.advice import shops
from tests.components.applications.advice.support import looked_at


def test_lines_find_their_products_and_their_order(tmp_path: Path) -> None:
    with looked_at(shops.orders_and_lines(tmp_path / "shop"), tmp_path) as (looked, roles):
        lines = roles["order_items.csv"]
        join = find_products(looked, [lines], list(roles.values()))[lines.table.view]
        assert (join.column.name, join.roles.table.name, join.key.name) == ("product_id", "products.csv", "product_id")
        order = find_key_join(looked, lines.table, lines.table.column("order_id"), list(roles.values()))
        assert order is not None
        assert (order.roles.table.name, order.coverage) == ("orders.csv", 1.0)


def test_a_table_of_other_things_is_no_table_of_products(tmp_path: Path) -> None:
    folder = shops.ratings_by_day(tmp_path / "shop")
    shops.write(folder / "items.csv", "item_id,title", [f"Z{n},Other {n}" for n in range(30)])
    with looked_at(folder, tmp_path) as (looked, roles):
        lines = roles["interactions.csv"]
        assert find_products(looked, [lines], list(roles.values())) == {}
        item = lines.table.column("item_id")
        assert find_key_join(looked, lines.table, item, list(roles.values())) is None


def test_ids_that_a_spreadsheet_made_fractions_are_the_same(tmp_path: Path) -> None:
    shops.write(tmp_path / "shop/a.csv", "item_id,x", ["1.0,a", "2.0,a", "3.5,a"])
    shops.write(tmp_path / "shop/b.csv", "item_id,title", ["1,A", "2,B"])
    with looked_at(tmp_path / "shop", tmp_path) as (looked, _):
        a, b = looked.tables
        assert coverage(looked, a, a.column("item_id"), b, b.column("item_id")) == 2 / 3


def test_columns_whose_values_always_come_together(tmp_path: Path) -> None:
    shops.write(tmp_path / "shop/a.csv", "id,code,group", [f"{n % 9},c{n % 9},{n % 3}" for n in range(90)])
    with looked_at(tmp_path / "shop", tmp_path) as (looked, _):
        (table,) = looked.tables
        one, two, three = table.columns
        assert is_one_to_one(looked, table, one, two)
        assert not is_one_to_one(looked, table, one, three)
