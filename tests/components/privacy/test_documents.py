"""Cards, bank accounts, ids and passports: check digits, and words where there are none."""

import pytest

from components.privacy.documents import find_cards, find_ibans, find_national_ids, find_passports
from tests.components.privacy.support import parts_of


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("card 4111 1111 1111 1111 ok", ["4111 1111 1111 1111"]),
        ("378282246310005", ["378282246310005"]),
        ("4111 1111 1111 1112", []),  # the check digit
        ("order 4111111111111111", []),
    ],
)
def test_cards(text: str, found: list[str]) -> None:
    assert parts_of(find_cards, text) == found


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("IBAN DE89 3704 0044 0532 0130 00", ["DE89 3704 0044 0532 0130 00"]),
        ("GB82WEST12345698765432", ["GB82WEST12345698765432"]),
        ("DE89 3704 0044 0532 0130 01", []),
    ],
)
def test_bank_accounts(text: str, found: list[str]) -> None:
    assert parts_of(find_ibans, text) == found


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("身份证11010519491231002X", ["11010519491231002X"]),
        ("11010519491231002x", ["11010519491231002x"]),
        ("110105194912310021", []),  # the check digit
        ("身份证号：110105194912310021", ["110105194912310021"]),  # the word says what it is
        ("SSN 123-45-6789", ["123-45-6789"]),
        ("000-12-3456", []),
    ],
)
def test_national_ids(text: str, found: list[str]) -> None:
    assert parts_of(find_national_ids, text) == found


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("passport no. E12345678", ["E12345678"]),
        ("护照号码 G12345678", ["G12345678"]),
        ("E12345678", []),
        ("passport cover 2 pockets", []),
    ],
)
def test_passports(text: str, found: list[str]) -> None:
    assert parts_of(find_passports, text) == found
