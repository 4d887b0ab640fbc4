"""The columns of products: texts, levels of categories, prices, and names that another table has."""

from pathlib import Path

from components.applications.advice.draft import Draft
from components.applications.advice.products import map_products
from tests.components.applications.advice import shops
from tests.components.applications.advice.support import looked_at


def products_of(folder: Path, root: Path, name: str, key: str) -> Draft:
    draft = Draft()
    with looked_at(folder, root) as (looked, roles):
        map_products(looked, draft, roles[name], roles[name].table.column(key), list(roles.values()), root)
    return draft


def test_levels_are_made_of_columns_few_values_first(tmp_path: Path) -> None:
    draft = products_of(shops.grocer(tmp_path / "shop"), tmp_path, "products.csv", "product_id")
    (found,) = draft.of("products")
    assert found.columns["brand"] == "brand"
    assert found.columns["category"] == "product_type"  # the only one of several values
    assert found.about == ["no title was found: models of product texts learn little here"]
    assert "package_size" in draft.not_used[0]


def test_a_column_of_joined_levels_is_the_category_and_no_description(tmp_path: Path) -> None:
    folder = shops.ratings_by_day(tmp_path / "shop")
    rows = [f"{i},Soap {i},Acme|Beauty|Skin {i % 3}" for i in range(30)]
    shops.write(folder / "items.csv", "item_id,title,attributes", rows)
    (found,) = products_of(folder, tmp_path, "items.csv", "item_id").of("products")
    assert found.columns == {"item_id": "item_id", "title": "title", "category": "replace(attributes, '|', ' > ')"}
    assert found.notes["category"] == "levels were separated by |"


def test_a_description_of_sentences_stays_one(tmp_path: Path) -> None:
    rows = [
        f"{i},Soap {i},A soap of {i} herbs for hands and face. It lasts for weeks and smells well,bath{i % 2}"
        for i in range(30)
    ]
    shops.write(tmp_path / "shop/items.csv", "item_id,title,description,category", rows)
    (found,) = products_of(tmp_path / "shop", tmp_path, "items.csv", "item_id").of("products")
    assert (found.columns["description"], found.columns["category"]) == ("description", "category")


def test_numbers_of_brands_and_categories_get_the_names_of_other_tables(tmp_path: Path) -> None:
    shops.write(tmp_path / "shop/items.csv", "item_id,title,category_id", [f"{i},Cup {i},{i % 5}" for i in range(30)])
    shops.write(tmp_path / "shop/categories.csv", "category_id,name", [f"{i},Kitchen {i}" for i in range(5)])
    draft = products_of(tmp_path / "shop", tmp_path, "items.csv", "item_id")
    (found,) = draft.of("products")
    assert found.columns["category"] == "category_of(category_id)"
    assert draft.lookups["category_of"] == {"path": "shop/categories.csv", "key": "category_id", "value": "name"}


def test_prices_with_signs_are_read_by_an_expression(tmp_path: Path) -> None:
    shops.write(tmp_path / "shop/items.csv", "item_id;title;price", [f"{i};Cup {i};€ {i + 1},50" for i in range(30)])
    (found,) = products_of(tmp_path / "shop", tmp_path, "items.csv", "item_id").of("products")
    assert found.columns["price"].startswith("TRY_CAST(replace(replace(regexp_replace(price")
