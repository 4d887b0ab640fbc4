"""Kinds of events, amounts and reviews from the lines of a table."""

from pathlib import Path

from components.applications.advice.draft import Draft, SourceDraft
from components.applications.advice.events import derive_products_of_unknown, find_kind, map_events, map_reviews
from components.applications.advice.people import Person, find_person
from components.applications.advice.questions import Answers
from tests.components.applications.advice import shops
from tests.components.applications.advice.support import looked_at


def events_of(folder: Path, root: Path, name: str) -> tuple[SourceDraft, Draft]:
    draft = Draft()
    with looked_at(folder, root) as (looked, roles):
        lines = roles[name]
        item = lines.best("item")
        assert item is not None
        person = find_person(looked, draft, lines, item, list(roles.values()), Answers(), root)
        found = map_events(looked, draft, lines, item, person, Answers(), root)
    return found[0], draft


def test_negative_quantities_are_returns_and_their_amounts_positive(tmp_path: Path) -> None:
    found, _ = events_of(shops.month_files(tmp_path / "shop"), tmp_path, "sales_2025-01.csv")
    assert found.columns["event"] == "CASE WHEN TRY_CAST(Quantity AS DOUBLE) < 0 THEN 'return' ELSE 'purchase' END"
    assert found.columns["quantity"] == "abs(TRY_CAST(Quantity AS DOUBLE))"
    assert found.columns["price"] == "UnitPrice"
    assert (found.columns["session_id"], found.notes["session_id"]) == ("InvoiceNo", "the order or basket")


def test_a_price_is_its_share_of_the_total_of_the_line(tmp_path: Path) -> None:
    found, _ = events_of(shops.grocer(tmp_path / "shop"), tmp_path, "transactions.csv")
    total, quantity = "TRY_CAST(sales_value AS DOUBLE)", "TRY_CAST(quantity AS DOUBLE)"
    assert found.columns["price"] == f"abs({total} / nullif({quantity}, 0))"
    assert found.columns["event"] == "'purchase'"


def test_cancelled_orders_are_left_out_and_refunded_ones_are_returns(tmp_path: Path) -> None:
    words = ("paid", "cancelled", "refunded", "shipped")
    rows = [f"{n % 30},{n % 9},2025-01-{n % 28 + 1:02d} 10:00:00,{words[n % 4]}" for n in range(200)]
    shops.write(tmp_path / "shop/orders.csv", "user_id,item_id,time,status", rows)
    found, draft = events_of(tmp_path / "shop", tmp_path, "orders.csv")
    assert found.where == ["coalesce(NOT lower(trim(status)) IN ('cancelled'), true)"]
    assert found.columns["event"] == "CASE WHEN lower(trim(status)) IN ('refunded') THEN 'return' ELSE 'purchase' END"
    assert draft.checks == ["status: rows with cancelled are left out; others are paid, refunded, shipped"]


def test_the_file_says_what_its_rows_are(tmp_path: Path) -> None:
    rows = [f"{n % 30},{n % 9},2025-01-{n % 28 + 1:02d} 10:00:00" for n in range(200)]
    for name, kind in (("clicks.csv", "click"), ("data.csv", "purchase")):
        shops.write(tmp_path / name / name, "user_id,item_id,time", rows)
        with looked_at(tmp_path / name, tmp_path) as (_, roles):
            found = find_kind(roles[name], Person(), Answers(), Draft())
        assert found.sql == f"'{kind}'"
        assert ("nothing says what the rows are" in found.note) == (name == "data.csv")


def test_ratings_of_ten_become_five(tmp_path: Path) -> None:
    rows = [f"{n % 30},{n % 9},2025-01-{n % 28 + 1:02d} 10:00:00,{n % 10 + 1}" for n in range(200)]
    shops.write(tmp_path / "shop/ratings.csv", "user_id,item_id,time,rating", rows)
    draft = Draft()
    with looked_at(tmp_path / "shop", tmp_path) as (_, roles):
        of = roles["ratings.csv"]
        item, rating = of.best("item"), of.best("rating")
        assert item is not None
        assert rating is not None
        map_reviews(draft, of, item, Person(user="user_id", time="time"), rating, tmp_path)
    assert draft.of("reviews")[0].columns["rating"] == "greatest(1, TRY_CAST(rating AS DOUBLE) * 5 / 10)"


def test_products_that_only_events_name_are_made_of_them() -> None:
    draft = Draft([SourceDraft("events", {"path": "a"}, {"item_id": "sku", "timestamp": "t"}, where=["x > 0"])])
    derive_products_of_unknown(draft, 0.25)
    (found,) = draft.of("products")
    assert (found.source, found.columns, found.where) == (
        {"path": "a"},
        {"item_id": "sku", "timestamp": "t"},
        ["x > 0"],
    )
    assert found.about[0].startswith("25% of the events name a product")
