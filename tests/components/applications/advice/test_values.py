"""Forms of times and numbers, by hand."""

import duckdb
import pytest

from components.applications.advice.values import find_number_form, find_time_form


@pytest.mark.parametrize(
    ("values", "formats"),
    [
        (["31.12.2024", "1.2.2025"], ("%d.%m.%Y",)),
        (["12/31/24 9:05 PM", "1/2/25 10:00 AM"], ("%m/%d/%y", "%m/%d/%y %I:%M %p")),
        (["2024年1月3日"], ("%Y年%m月%d日",)),
        (["03 Jan 2025", "17 Feb 2025"], ("%d %b %Y",)),
        (["January 3, 2025 10:15"], ("%B %d, %Y", "%B %d, %Y %H:%M")),
    ],
)
def test_times_are_read_by_their_formats(values: list[str], formats: tuple[str, ...]) -> None:
    form = find_time_form(values, is_named=True)
    assert form is not None
    assert form.formats == formats
    for value in values:
        with duckdb.connect() as connection:
            row = connection.execute(f"SELECT {form.expression('$v')}", {"v": value}).fetchone()
        assert row != (None,), value


def test_times_that_ingest_reads_need_no_format() -> None:
    for values in (["2025-01-03 10:00:00 UTC"], ["2025/1/3"], ["1735689600"], ["20250103"], ["1735689600000"]):
        form = find_time_form(values, is_named=True)
        assert (form and form.formats) == (), values
    assert find_time_form(["1735689600"], is_named=False) is None  # an id may look like this
    assert find_time_form(["13/13/2025"], is_named=True) is None


def test_an_order_of_day_and_month_is_not_guessed() -> None:
    form = find_time_form(["01/02/2025", "03/04/2025"], is_named=True)
    assert form is not None
    assert form.is_ambiguous
    decided = find_time_form(["01/02/2025", "23/04/2025"], is_named=True)
    assert decided is not None
    assert decided.order == "dmy"
    assert not decided.is_ambiguous


def test_excel_days_are_days() -> None:
    form = find_time_form(["45000.5", "45001.25"], is_named=True)
    assert form is not None
    with duckdb.connect() as connection:
        row = connection.execute(f"SELECT {form.expression('$v')}::VARCHAR", {"v": "45000.5"}).fetchone()
    assert row == ("2023-03-15 12:00:00",)


@pytest.mark.parametrize(
    ("values", "style", "sample", "number"),
    [
        (["1.5", "-2"], "plain", "-2", -2.0),
        (["1.234,50", "3,95"], "comma", "1.234,50", 1234.5),
        (["$1,234.50", "$3.95"], "thousands", "$1,234.50", 1234.5),
        (["3 €", "2,50 €"], "comma", "2,50 €", 2.5),
    ],
)
def test_numbers_are_read_as_they_are_written(values: list[str], style: str, sample: str, number: float) -> None:
    form = find_number_form(values)
    assert form is not None
    assert form.style == style
    with duckdb.connect() as connection:
        row = connection.execute(f"SELECT {form.expression('$v')}", {"v": sample}).fetchone()
    assert row == (number,)


def test_words_are_no_numbers() -> None:
    assert find_number_form(["12", "a4", "b7"]) is None
