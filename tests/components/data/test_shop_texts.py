"""Texts of the simulated shop: both languages describe the same product."""

import re

import pytest

from components.data import shop_texts


def test_every_kind_has_both_languages() -> None:
    assert len(shop_texts.KINDS) == 72
    for top, kind in shop_texts.KINDS:
        assert re.fullmatch(r"[\x20-\x7e]+", top[0] + kind[0])
        assert re.fullmatch(r"[\u4e00-\u9fff]+", top[1] + kind[1])


@pytest.mark.parametrize(
    ("language", "title", "query"),
    [(0, "Lumora vintage red frying pan No. 7", "vintage frying pan"), (1, "露漫复古红色平底锅 7号", "复古平底锅")],
)
def test_title_and_query(language: int, title: str, query: str) -> None:
    assert shop_texts.title(0, 0, 0, 0, 7, language) == title
    assert shop_texts.query(0, 0, True, language) == query
    assert shop_texts.category(0, language) in ("Kitchen > frying pan", "厨房 > 平底锅")
    assert shop_texts.description(0, 0, 0, language).endswith((".", "。"))


def test_reviews_differ_by_rating() -> None:
    reviews = {
        shop_texts.review(rating, pick, language) for rating in range(1, 6) for pick in (0, 1) for language in (0, 1)
    }
    assert len(reviews) == 20
