"""What stands around a number."""

import re

import pytest

from components.privacy.context import (
    find_free_numbers,
    find_urls,
    is_measure,
    is_product_code,
    only_digits,
    to_ascii,
)


def test_full_width_text_becomes_ascii_of_the_same_length() -> None:
    text = "电话：１３８－１２３４　【a】"
    assert to_ascii(text) == "电话:138-1234 [a]"
    assert len(to_ascii(text)) == len(text)


@pytest.mark.parametrize("before", ["order ", "Order no.: ", "SKU #", "ISBN-13: ", "订单号:", "$", "货号 "])
def test_words_that_declare_a_code_or_an_amount(before: str) -> None:
    assert is_product_code(f"{before}5551234567", len(before))


@pytest.mark.parametrize("before", ["call ", "电话", "reorder my phone is ", ""])
def test_other_words_do_not(before: str) -> None:
    assert not is_product_code(f"{before}5551234567", len(before))


@pytest.mark.parametrize(("text", "is_one"), [("5 mm", True), ("5元", True), ("5个", True), ("5 people", False)])
def test_units(text: str, is_one: bool) -> None:
    assert is_measure(text, 1) is is_one


def test_addresses_of_pages() -> None:
    text = "see https://shop.example/p/13812345678 and www.b.org!"
    assert [text[s.start : s.end] for s in find_urls(text)] == ["https://shop.example/p/13812345678", "www.b.org!"]
    assert find_urls("nothing") == []


def test_free_numbers_are_neither_codes_nor_measures() -> None:
    found = find_free_numbers(re.compile(r"[0-9]+"), "order 11, then 22, and 33 mm")
    assert [match.group() for match in found] == ["22"]
    assert only_digits("a1-2 3") == "123"
