"""Ids of messengers: after the name of the service alone."""

import pytest

from components.privacy.messengers import find_messengers
from tests.components.privacy.support import parts_of


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("wechat: john_smith88", ["john_smith88"]),
        ("QQ 123456789", ["123456789"]),
        ("微信号 zhang_san01", ["zhang_san01"]),
        ("add me on telegram @johnny_b", ["@johnny_b"]),
        ("the line is long", []),
        ("QQ emoji pillow", []),
    ],
)
def test_what_is_found_and_where_it_ends(text: str, found: list[str]) -> None:
    assert parts_of(find_messengers, text) == found
