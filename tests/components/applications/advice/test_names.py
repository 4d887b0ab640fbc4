"""What names of columns say."""

import pytest

from components.applications.advice.names import normalise, score_role
from components.applications.advice.words import kind_of_file, kind_of_word


@pytest.mark.parametrize(
    ("name", "role"),
    [
        ("CustomerID", "user"), ("Customer ID", "user"), ("customer_unique_id", "user"), ("household_id", "user"),
        ("会员编号", "user"), ("reviewerID", "user"), ("StockCode", "item"), ("item_id:token", "item"),
        ("asin", "item"), ("InvoiceNo", "order"), ("basket_id", "order"), ("订单编号", "order"),
        ("event_type", "event"),
        ("Quantity", "quantity"), ("购买数量", "quantity"), ("UnitPrice", "price"), ("单价", "price"),
        ("sales_value", "total"), ("prod_name", "title"), ("品名", "title"), ("Sub-Category", "category"),
        ("search_term", "query"), ("order_status", "status"), ("overall", "rating"),
        ("InvoiceDate", "time"), ("下单时间", "time"), ("搜索词", "query"), ("一级类目", "category"),
        ("商品编码", "item"), ("行为类型", "event"), ("unixReviewTime", "time"),
    ],
)  # fmt: skip
def test_a_name_has_its_role(name: str, role: str) -> None:
    assert score_role(name, role) >= 0.8


def test_the_time_of_an_order_is_not_that_of_its_delivery() -> None:
    scores = {
        name: score_role(name, "time") for name in ("order_purchase_timestamp", "order_delivered_date", "Ship Date")
    }
    assert scores["order_purchase_timestamp"] > 0.5 > max(scores["order_delivered_date"], scores["Ship Date"])


def test_names_are_tidied() -> None:
    assert [normalise(n) for n in ("CustomerID", " Order Date ", "用户ID")] == ["customer_id", "order_date", "用户id"]


def test_words_of_events() -> None:
    assert [kind_of_word(w) for w in ("PV", "add-to-cart", "购买", "remove_from_cart", "1")] == [
        "view", "cart", "purchase", None, None,
    ]  # fmt: skip
    files = ("page_views.csv", "orders_2025.csv", "reviews.json", "浏览记录.csv")
    assert [kind_of_file(name) for name in files] == ["view", "purchase", None, "view"]
