"""Counts of rows add up, and too many bad rows are an error that names them."""

import pytest

from components.data.quality import DUPLICATE_RULE, UNKNOWN_ITEM_RULE, BrokenRule, Counts
from components.errors import QualityError


def counts(**values: int) -> Counts:
    none = dict.fromkeys(Counts.model_fields, 0)
    return Counts(**{**none, **values})


def test_lost_rows_stop_the_run() -> None:
    with pytest.raises(QualityError, match="10 rows were read but 9"):
        counts(read=10, valid=9).check("events", [], 1.0, 1.0)


@pytest.mark.parametrize(
    ("bad", "limit", "stops"), [(2, 0.02, False), (3, 0.02, True), (0, 0.0, False), (1, 0.0, True)]
)
def test_bad_share_has_a_limit(bad: int, limit: float, stops: bool) -> None:
    tally = counts(read=110, valid=100 - bad, quarantined=bad, filtered=10)
    broken = [BrokenRule("price: negative", "a.csv", bad, 7)] if bad else []
    if not stops:
        tally.check("events", broken, limit, 0.0)
        return
    with pytest.raises(
        QualityError, match=rf"{bad} of 100 rows .* a\.csv: price: negative \({bad} rows, first row 7\)"
    ):
        tally.check("events", broken, limit, 1.0)


def test_duplicates_and_unknown_items_are_not_bad() -> None:
    broken = [BrokenRule(DUPLICATE_RULE, "a.csv", 50, 1), BrokenRule(f"item_id: {UNKNOWN_ITEM_RULE}", "a.csv", 10, 2)]
    tally = counts(read=100, valid=40, duplicates=50, quarantined=10)
    tally.check("events", broken, 0.0, 0.1)
    with pytest.raises(QualityError, match="max_unknown_share"):
        tally.check("events", broken, 0.0, 0.09)
