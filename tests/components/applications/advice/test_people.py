"""Where the user and the time of a line come from."""

from pathlib import Path

from components.applications.advice.draft import Draft
from components.applications.advice.people import Person, find_person, time_sql
from components.applications.advice.questions import Answers
from tests.components.applications.advice import shops
from tests.components.applications.advice.support import looked_at


def person_of(folder: Path, root: Path, name: str) -> tuple[Person, Draft]:
    draft = Draft()
    with looked_at(folder, root) as (looked, roles):
        lines = roles[name]
        found = find_person(looked, draft, lines, lines.best("item"), list(roles.values()), Answers(), root)
    return found, draft


def test_user_and_time_stand_in_the_line(tmp_path: Path) -> None:
    found, draft = person_of(shops.grocer(tmp_path / "shop"), tmp_path, "transactions.csv")
    assert (found.user, found.time) == ("household_id", "transaction_timestamp")
    assert draft.lookups == {}


def test_user_and_time_come_from_the_order_and_the_user_is_followed(tmp_path: Path) -> None:
    found, draft = person_of(shops.orders_and_lines(tmp_path / "shop"), tmp_path, "order_items.csv")
    assert found.user == "person_of(order_user_of(order_id))"
    assert "customer_id is new with each order" in found.user_note
    assert draft.lookups["order_time_of"] == {
        "path": "shop/orders.csv",
        "key": "order_id",
        "value": "order_purchase_timestamp",
    }


def test_the_lines_of_a_database_are_joined_with_their_order(tmp_path: Path) -> None:
    found, _ = person_of(shops.database(tmp_path / "shop"), tmp_path, "shop.sqlite:order_lines")
    assert (found.user, found.time) == ("order_user", "order_time")
    assert 'LEFT JOIN "orders" o ON l."order_id" = o."id"' in found.joined["query"]


def test_a_session_stands_for_a_user_that_is_nowhere(tmp_path: Path) -> None:
    rows = [f"s{n % 30},{n % 9},2025-01-{n % 28 + 1:02d} 10:00:00" for n in range(200)]
    shops.write(tmp_path / "shop/clicks.csv", "session_id,item_id,time", rows)
    found, _ = person_of(tmp_path / "shop", tmp_path, "clicks.csv")
    assert (found.user, found.user_note) == ("session_id", "no column names a user: each session counts as one")


def test_addresses_are_hashed(tmp_path: Path) -> None:
    rows = [f"u{n % 30}@x.org,{n % 9},2025-01-{n % 28 + 1:02d} 10:00:00" for n in range(200)]
    shops.write(tmp_path / "shop/orders.csv", "email,item_id,time", rows)
    found, _ = person_of(tmp_path / "shop", tmp_path, "orders.csv")
    assert found.user == "sha256(lower(trim(email)))"


def test_a_day_and_a_time_of_day_are_joined(tmp_path: Path) -> None:
    rows = [f"{n % 30},{n % 9},{n % 28 + 1:02d}/0{n % 3 + 1}/2025,{n % 24:02d}:15" for n in range(200)]
    shops.write(tmp_path / "shop/orders.csv", "user_id,item_id,order_date,order_time", rows)
    with looked_at(tmp_path / "shop", tmp_path) as (_, roles):
        (of,) = roles.values()
        sql, note = time_sql(of, of.table.column("order_date"))
    assert sql == "try_strptime(order_date || ' ' || order_time, ['%d/%m/%Y %H:%M'])"
    assert note == "day and time of day are joined; the day comes first"
