"""Words of events and states, in English and Chinese, as shops write them."""

import pytest

from components.applications.advice.words import EVENT_WORDS, LEFT_OUT, fold, kind_of_file, kind_of_word
from components.contracts import EVENTS


@pytest.mark.parametrize(
    ("word", "kind"),
    [("Add To Cart", "cart"), ("add-to-cart", "cart"), (" PV ", "view"), ("购买", "purchase"), ("退款", "return"),
     ("view_item_list", "impression"), ("wishlist", None), ("", None)],
)  # fmt: skip
def test_kinds_of_words(word: str, kind: str | None) -> None:
    assert kind_of_word(word) == kind


@pytest.mark.parametrize(
    ("name", "kind"),
    [("orders_2025.csv", "purchase"), ("UserClicks.csv", None), ("user-clicks.csv", "click"),
     ("add_to_cart.csv", "cart"), ("returned_orders.csv", "return"), ("商品浏览.csv", "view"), ("data.csv", None)],
)  # fmt: skip
def test_kinds_of_files(name: str, kind: str | None) -> None:
    assert kind_of_file(name) == kind


def test_every_kind_is_one_of_ours_and_no_word_means_two_things() -> None:
    assert set(EVENT_WORDS) <= set(EVENTS)
    words = [word for words in EVENT_WORDS.values() for word in words]
    assert len(words) == len(set(words))
    assert not set(words) & set(LEFT_OUT)
    assert all(fold(word) == word for word in (*words, *LEFT_OUT))
