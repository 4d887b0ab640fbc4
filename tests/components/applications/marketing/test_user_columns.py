"""The columns of the user table have names that an expression can use, and a meaning each."""

from components.applications.marketing.user_columns import COLUMNS, DAY_PARTS


def test_names_are_distinct_words_and_meanings_are_given() -> None:
    names = [column.name for column in COLUMNS]
    assert len(set(names)) == len(names)
    assert all(name.isidentifier() and name == name.lower() for name in names)
    assert all(column.meaning for column in COLUMNS)
    assert {f"{part}_share" for part in DAY_PARTS} <= set(names)
