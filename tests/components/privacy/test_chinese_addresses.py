"""Postal addresses of Chinese texts: with the number of a house or flat."""

import pytest

from components.privacy.chinese_addresses import find_chinese_addresses
from tests.components.privacy.support import parts_of


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("住址：北京市朝阳区建国路88号5栋2单元301室", ["北京市朝阳区建国路88号5栋2单元301室"]),
        ("送到 上海市浦东新区世纪大道100号", ["上海市浦东新区世纪大道100号"]),
        ("北京路步行街很热闹", []),
        ("3号电池", []),
    ],
)
def test_what_is_found_and_where_it_ends(text: str, found: list[str]) -> None:
    assert parts_of(find_chinese_addresses, text) == found
