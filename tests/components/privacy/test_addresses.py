"""Postal addresses of English texts."""

import pytest

from components.privacy.addresses import find_addresses
from tests.components.privacy.support import parts_of


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (
            "I live at 123 Main Street, Apt 4B, Springfield, IL 62704",
            ["123 Main Street, Apt 4B, Springfield, IL 62704"],
        ),
        ("PO Box 123", ["PO Box 123"]),
        ("to SW1A 1AA", ["SW1A 1AA"]),
        ("221B Baker Street, London", ["221B Baker Street, London"]),
        ("5 Star Street Style jacket", []),
        ("Wall Street movie", []),
    ],
)
def test_what_is_found_and_where_it_ends(text: str, found: list[str]) -> None:
    assert parts_of(find_addresses, text) == found
