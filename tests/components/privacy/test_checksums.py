"""Check digits: published examples are valid, and a changed digit is not."""

import pytest

from components.privacy import checksums


@pytest.mark.parametrize("number", ["4111111111111111", "5500000000000004", "378282246310005", "6011000990139424"])
def test_cards(number: str) -> None:
    assert checksums.is_card(number)
    assert not checksums.is_card(number[:-1] + str((int(number[-1]) + 1) % 10))


@pytest.mark.parametrize("number", ["0000000000000000", "1234567812345670", "4006381333931"])
def test_numbers_without_an_issuer_are_no_cards(number: str) -> None:
    assert not checksums.is_card(number)


@pytest.mark.parametrize("iban", ["GB82WEST12345698765432", "DE89370400440532013000", "NO9386011117947"])
def test_ibans(iban: str) -> None:
    assert checksums.is_iban(iban)
    assert checksums.is_iban(iban.lower())
    assert not checksums.is_iban(iban[:-1] + str((int(iban[-1]) + 1) % 10))
    assert not checksums.is_iban(iban[:-1])


def test_chinese_ids() -> None:
    assert checksums.is_chinese_id("11010519491231002X")  # the example of GB 11643
    assert checksums.is_chinese_id("11010519491231002x")
    assert not checksums.is_chinese_id("110105194912310020")
    assert not checksums.is_chinese_id("11010519491331002X")  # month 13
    assert not checksums.may_be_chinese_id("10010519491231002X")  # no province 10


def test_other_national_ids() -> None:
    assert checksums.is_hong_kong_id("A1234563")
    assert not checksums.is_hong_kong_id("A1234564")
    assert checksums.is_brazilian_id("52998224725")
    assert not checksums.is_brazilian_id("52998224726")
    assert not checksums.is_brazilian_id("11111111111")
    assert checksums.is_korean_id("9012311234567")
    assert not checksums.is_korean_id("9013311234567")
