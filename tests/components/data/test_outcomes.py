"""Counts of rows and records follow from the numbers of rows with equal outcomes."""

from components.data.outcomes import RowOutcome, RowOutcomes
from components.data.quality import BrokenRule, MaskedRows
from components.data.sources import ReadFile, SourceReport
from components.data.validation import DUPLICATE, INVALID, VALID

NOTE, RULE = 'price: "NaN"', "price: not a number"
FOUND = RowOutcomes(
    [
        RowOutcome(0, VALID, None, NOTE, None, True, 5, None),
        RowOutcome(0, VALID, None, None, "email,phone", True, 2, None),
        RowOutcome(0, INVALID, RULE, NOTE, "email", True, 3, 7),
        RowOutcome(0, INVALID, RULE, None, None, False, 1, 4),
        RowOutcome(1, DUPLICATE, "duplicate row", None, None, False, 4, 2),
        RowOutcome(1, VALID, None, None, None, True, 1, None),
    ],
    ["a.csv", "b.csv"],
    [SourceReport(source="in", files=[ReadFile(name="a.csv"), ReadFile(name="b.csv")])],
    unnested_files=frozenset({1}),
    n_unnested=2,
)


def test_rows_and_records_are_counted_by_outcome() -> None:
    rows, records = FOUND.count_rows(), FOUND.count_records()
    assert (rows.read, rows.valid, rows.quarantined, rows.duplicates) == (16, 8, 4, 4)
    assert (records.read, records.valid, records.quarantined, records.duplicates) == (10 + 2, 8, 3, 0)


def test_masks_and_notes_are_counted_by_word() -> None:
    assert FOUND.count_masked() == {
        "email": MaskedRows(valid=2, quarantined=3),
        "phone": MaskedRows(valid=2, quarantined=0),
    }
    assert FOUND.count_notes() == [(NOTE, 5)]


def test_broken_rules_begin_with_the_most_frequent() -> None:
    assert FOUND.has_quarantined
    assert FOUND.count_broken_rules() == [
        BrokenRule("duplicate row", "b.csv", 4, 0, 2),
        BrokenRule(RULE, "a.csv", 4, 3, 4),
    ]


def test_files_have_the_number_of_their_records() -> None:
    assert [file.records for file in FOUND.report_sources()[0].files] == [10, 1]
