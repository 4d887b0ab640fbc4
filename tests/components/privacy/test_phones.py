"""Telephone numbers: which digits are one, and what says that they are none."""

import pytest

from components.privacy.phones import find_phones
from tests.components.privacy.support import parts_of


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("call 555-123-4567 now", ["555-123-4567"]),
        ("手机13812345678。", ["13812345678"]),
        ("+44 20 7946 0958 or 020 7946 0958", ["+44 20 7946 0958", "020 7946 0958"]),
        ("tel 5551234567", ["5551234567"]),
        ("order 5551234567", []),
        ("3.5 x 13812345678 mm", []),
        ("138 0013 8000元", []),
        ("2026-11-30 12:30", []),
        ("10-20-30-40", []),
    ],
)
def test_what_is_found_and_where_it_ends(text: str, found: list[str]) -> None:
    assert parts_of(find_phones, text) == found
