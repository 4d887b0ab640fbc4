"""The columns and formulas that batch and live share."""

import pytest

from components.profiles import definitions
from components.times import DAY_US
from tests.components.profiles.small import profile_params


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("Red  Pan", ["red", "pan"]),
        (" 红茶 ＰＯＴ\n", ["红茶", "pot"]),
        ("红色平底锅", ["红色平底锅"]),
        (" \t", []),
        ("<b>tea</b> &amp; pot", ["tea", "&", "pot"]),
    ],
)
def test_words_of_a_query(query: str, words: list[str]) -> None:
    assert definitions.terms(query) == words


def test_formulas() -> None:
    assert [definitions.sentiment(r) for r in (1, 3, 5)] == [0.0, 0.5, 1.0]
    assert [definitions.decay(age, 10) for age in (0, 10, 20)] == pytest.approx([1.0, 0.5, 0.25], rel=1e-12)
    assert definitions.money(2.5, 4) == 10.0
    assert definitions.window_start(DAY_US * 9, 7) == DAY_US * 2


def test_names_are_unique_and_windows_follow_windows_days() -> None:
    few, many = profile_params(windows_days="[7]"), profile_params(windows_days="[7, 30, 90]")
    for numbers in (definitions.user_aggregates, definitions.item_aggregates):
        names = [n.name for n in numbers(many)]
        assert len(set(names)) == len(names)
        assert {n.name for n in numbers(few)} == {n for n in names if not n.endswith(("_30d", "_90d"))}


def test_counts_are_never_null_and_means_are() -> None:
    nullable = {
        n.name: n.nullable
        for n in [*definitions.user_aggregates(profile_params()), *definitions.item_aggregates(profile_params())]
    }
    assert not nullable["view_7d"]
    assert not nullable["popularity_7d"]
    assert all(nullable[n] for n in ("value", "price_level", "sentiment", "age_days"))
