"""Layouts of exports with known mappings: what is inferred from names and values."""

from pathlib import Path

import pytest

from components.applications.advice.columns import look
from components.applications.advice.draft import Draft
from components.applications.advice.infer import infer
from components.applications.advice.questions import Answers, OpenQuestionsError, Question
from components.errors import ContractError, ParamsError
from tests.components.applications.advice import shops


def draft_of(folder: Path, tmp_path: Path, answers: Answers | None = None) -> Draft:
    spill = tmp_path / "spill"
    spill.mkdir()
    looked = look([folder], tmp_path, spill)
    try:
        return infer(looked, answers or Answers(), tmp_path)
    finally:
        looked.connection.close()


@pytest.fixture(scope="module")
def drafts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Draft]:
    return {
        name: draft_of(make(tmp_path_factory.mktemp(name) / name), tmp_path_factory.mktemp(f"{name}-work"))
        for name, make in shops.LAYOUTS.items()
    }


def test_every_layout_gets_its_columns(drafts: dict[str, Draft]) -> None:
    """The user, item, time and kind of the events of each layout, as a person would map them."""
    events = {name: draft.of("events")[0].columns for name, draft in drafts.items()}
    who = {name: (c["user_id"], c["item_id"], c["timestamp"]) for name, c in events.items()}
    day_first = """try_strptime("Invoice Date", ['%d.%m.%Y', '%d.%m.%Y %H:%M'])"""
    assert who["european"] == ('"Customer No"', "ArticleNo", day_first)
    assert who["orders_and_lines"] == ("person_of(order_user_of(order_id))", "product_id", "order_time_of(order_id)")
    assert who["nested"] == ("customer->>'id'", "each->>'sku'", "created_at")
    assert who["database"] == ("order_user", "product_id", "order_time")
    assert who["one_log"] == ("user_id", "product_id", "event_time")
    assert who["reviews"] == ("reviewerID", "asin", "unixReviewTime")
    assert who["chinese"][:2] == ('"用户ID"', '"商品编号"')
    assert "%Y年%m月%d日 %H:%M:%S" in who["chinese"][2]
    assert events["european"]["event"] == "CASE WHEN TRY_CAST(Qty AS DOUBLE) < 0 THEN 'return' ELSE 'purchase' END"
    assert [events[name]["event"] for name in ("nested", "database", "reviews")] == ["'purchase'"] * 3
    kinds = events["chinese"]["event"]
    assert "('浏览') THEN 'view'" in kinds
    assert "('加购') THEN 'cart'" in kinds
    assert "('购买') THEN 'purchase'" in kinds


def test_what_is_left_out_is_said(drafts: dict[str, Draft]) -> None:
    log = drafts["one_log"].of("events")[0]
    assert log.where == ["lower(trim(event_type)) IN ('cart', 'purchase', 'view')"] or "remove" not in log.where[0]
    assert log.notes["event"] == "left out: remove_from_cart"
    orders = drafts["orders_and_lines"]
    assert "('canceled')" in orders.of("events")[0].where[0]
    assert "customer_unique_id" in orders.of("events")[0].notes["user_id"]
    assert orders.lookups["person_of"]["key"] == "customer_id"


def test_products_come_from_their_table_or_from_the_lines(drafts: dict[str, Draft]) -> None:
    products = {name: draft.of("products")[0].columns for name, draft in drafts.items()}
    assert products["european"]["title"] == '"Product Name"'
    assert products["european"]["price"] == """TRY_CAST(replace(replace("Unit Price", '.', ''), ',', '.') AS DOUBLE)"""
    assert products["nested"]["title"] == "each->>'name'"
    assert products["one_log"]["category"] == "replace(category_code, '.', ' > ')"
    assert products["database"] == {"item_id": "id", "title": "title", "brand": "brand"}
    assert products["chinese"]["title"] == '"商品名称"'
    assert {name for name, c in products.items() if "timestamp" in c} == {"european", "nested", "one_log"}


def test_ratings_become_reviews(drafts: dict[str, Draft]) -> None:
    review = drafts["reviews"].of("reviews")[0].columns
    assert review == {
        "user_id": "reviewerID", "item_id": "asin", "timestamp": "unixReviewTime", "rating": "overall",
        "text": "reviewText",
    }  # fmt: skip


AMBIGUOUS = [f"{user},{user % 5 + 1},{user % 9 + 1:02d}/{user % 7 + 1:02d}/2025" for user in range(200)]


def test_an_undecidable_date_is_asked_for(tmp_path: Path) -> None:
    shops.write(tmp_path / "shop/orders.csv", "customer_id,product_id,date", AMBIGUOUS)
    with pytest.raises(OpenQuestionsError, match=r"orders\.csv\.date=dmy.*first(?s:.*)orders\.csv\.date=mdy"):
        draft_of(tmp_path / "shop", tmp_path)
    (tmp_path / "spill").rmdir()
    answered = draft_of(tmp_path / "shop", tmp_path, Answers({"orders.csv.date": "mdy"}))
    assert answered.of("events")[0].columns["timestamp"] == "try_strptime(date, ['%m/%d/%Y'])"


def test_two_users_are_asked_for(tmp_path: Path) -> None:
    rows = [f"{n % 40},{n % 23},{n % 11},2025-01-{n % 28 + 1:02d}" for n in range(400)]
    shops.write(tmp_path / "shop/log.csv", "user_id,account_id,product_id,time", rows)
    with pytest.raises(OpenQuestionsError, match=r"log\.csv\.user=user_id(?s:.*)log\.csv\.user=account_id"):
        draft_of(tmp_path / "shop", tmp_path)
    (tmp_path / "spill").rmdir()
    seen: list[Question] = []

    def ask(question: Question) -> str:
        seen.append(question)
        return question.candidates[1][0]

    chosen = draft_of(tmp_path / "shop", tmp_path, Answers(ask=ask))
    assert chosen.of("events")[0].columns["user_id"] == "account_id"
    assert [q.key for q in seen] == ["log.csv.user"]


def test_unknown_kinds_of_events_are_asked_for(tmp_path: Path) -> None:
    rows = [f"{n % 40},{n % 11},{n % 2},2025-01-{n % 28 + 1:02d}" for n in range(400)]
    shops.write(tmp_path / "shop/log.csv", "user_id,item_id,action_type,time", rows)
    given = {"log.csv.action_type.0": "view", "log.csv.action_type.1": "purchase"}
    with pytest.raises(OpenQuestionsError, match=r"action_type\.0=view"):
        draft_of(tmp_path / "shop", tmp_path)
    (tmp_path / "spill").rmdir()
    event = draft_of(tmp_path / "shop", tmp_path, Answers(given)).of("events")[0].columns["event"]
    assert "('0') THEN 'view'" in event
    assert "('1') THEN 'purchase'" in event


def test_files_without_events_are_explained(tmp_path: Path) -> None:
    shops.write(tmp_path / "shop/stock.csv", "sku,stock", ["a,1", "b,2"])
    with pytest.raises(ContractError, match=r"stock\.csv: item sku; no column that holds times"):
        draft_of(tmp_path / "shop", tmp_path)
    shops.write(tmp_path / "bare/data.csv", "1,2,2025-01-01", ["1,3,2025-01-02"])
    (tmp_path / "spill").rmdir()
    with pytest.raises(ContractError, match="first line with column names"):
        draft_of(tmp_path / "bare", tmp_path)


def test_an_answer_that_nobody_asked_for_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ParamsError, match="nothing of this name is asked"):
        draft_of(shops.european(tmp_path / "shop"), tmp_path, Answers({"x": "y"}))
