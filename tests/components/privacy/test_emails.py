"""E-mail addresses: which characters are part of one."""

import pytest

from components.privacy.emails import find_emails
from tests.components.privacy.support import parts_of


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("write to john.smith+shop@mail.example.co.uk, please", ["john.smith+shop@mail.example.co.uk"]),
        ("a@b.co and c@d.org", ["a@b.co", "c@d.org"]),
        ("john (at) example (dot) com", ["john (at) example (dot) com"]),
        ("john dot smith at gmail dot com", ["john dot smith at gmail dot com"]),
        ("someone@home without a domain", []),
        ("see example.com", []),
        ("look at 5 dot com", []),
    ],
)
def test_what_is_found_and_where_it_ends(text: str, found: list[str]) -> None:
    assert parts_of(find_emails, text) == found
