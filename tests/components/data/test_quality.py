"""Counts of rows add up, and too many bad rows are an error that names them."""

import pytest

from components.data.quality import DUPLICATE_RULE, UNKNOWN_ITEM_RULE, BrokenRule, Counts
from components.errors import QualityError


def counts(**values: int) -> Counts:
    none = dict.fromkeys(Counts.model_fields, 0)
    return Counts(**{**none, **values})


def test_lost_rows_stop_the_run() -> None:
    with pytest.raises(QualityError, match="10 records were read but 9"):
        counts(read=10, valid=9).check("events", counts(read=9, valid=9), [], 1.0, 1.0)


@pytest.mark.parametrize(
    ("bad", "limit", "stops"), [(2, 0.02, False), (3, 0.02, True), (0, 0.0, False), (1, 0.0, True)]
)
def test_bad_share_has_a_limit(bad: int, limit: float, stops: bool) -> None:
    tally = counts(read=110, valid=100 - bad, quarantined=bad, filtered=10)
    broken = [BrokenRule("price: negative", "a.csv", bad, bad, 7)] if bad else []
    if not stops:
        tally.check("events", tally, broken, limit, 0.0)
        return
    with pytest.raises(
        QualityError, match=rf"{bad} of 100 rows .* a\.csv: price: negative \({bad} rows, first row 7\)"
    ):
        tally.check("events", tally, broken, limit, 1.0)


def test_duplicates_and_unknown_items_are_not_bad() -> None:
    broken = [BrokenRule(DUPLICATE_RULE, "a.csv", 50, 50, 1),
              BrokenRule(f"item_id: {UNKNOWN_ITEM_RULE}", "a.csv", 10, 10, 2)]  # fmt: skip
    tally = counts(read=100, valid=40, duplicates=50, quarantined=10)
    tally.check("events", tally, broken, 0.0, 0.1)
    with pytest.raises(QualityError, match="max_unknown_share"):
        tally.check("events", tally, broken, 0.0, 0.09)


@pytest.mark.parametrize(
    ("rule", "param", "stops", "says"),
    [
        (
            BrokenRule("line: not a JSON object", "a.jsonl", 6, 6, 4),
            "max_bad_share",
            True,
            r"6 of 40 records \(15\.0%\)",
        ),
        (BrokenRule("line: not a JSON object", "a.jsonl", 4, 4, 4), "max_bad_share", False, ""),
        (BrokenRule("price: negative", "a.jsonl", 25, 0, 4), "max_bad_share", True, r"25 of 230 rows \(10\.9%\)"),
        (
            BrokenRule(f"item_id: {UNKNOWN_ITEM_RULE}", "a.jsonl", 6, 6, 4),
            "max_unknown_share",
            True,
            "6 of 40 records .15.0%.",
        ),
    ],
)
def test_the_limits_hold_for_records_and_for_the_rows_of_unnested_lists(
    rule: BrokenRule, param: str, stops: bool, says: str
) -> None:
    records = counts(read=50, valid=40 - rule.n_records, quarantined=rule.n_records, filtered=3, empty=7)
    rows = counts(read=240, valid=230 - rule.n_rows, quarantined=rule.n_rows, filtered=3, empty=7)
    if not stops:
        records.check("events", rows, [rule], 0.1, 0.1)
        return
    with pytest.raises(QualityError, match=rf"{says} broke a rule, more than data\.{param}"):
        records.check("events", rows, [rule], 0.1, 0.1)
