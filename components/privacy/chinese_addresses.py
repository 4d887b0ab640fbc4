"""Postal addresses in Chinese: a town or a road, and the number of a house or a flat."""

from __future__ import annotations

import re
from collections.abc import Iterator

from components.privacy.context import HAN, Span

_NUMBER = r"[0-9A-Za-z零〇一二三四五六七八九十百千甲乙丙丁-]{1,6}"
_PROVINCES = (
    "北京|天津|上海|重庆|河北|山西|辽宁|吉林|黑龙江|江苏|浙江|安徽|福建|江西|山东|河南|湖北|湖南|广东|海南|四川|贵州|云南|陕西|甘肃|青海|"
    "台湾|内蒙古|广西|西藏|宁夏|新疆|香港|澳门"
)
_CITIES = (
    "广州|深圳|杭州|南京|成都|武汉|西安|苏州|青岛|厦门|宁波|长沙|郑州|沈阳|大连|济南|哈尔滨|长春|福州|合肥|昆明|无锡|佛山|东莞|珠海|南昌|南宁|"
    "石家庄|太原|温州|贵阳|台北|高雄"
)
_REGION = rf"(?:(?:{_PROVINCES})(?:省|市|(?:壮族|回族|维吾尔)?自治区|特别行政区)?\s?)"
_TOWN = rf"(?:[{HAN}]{{1,8}}?(?:市|自治州|地区|区|县|旗|镇|乡|街道|村|科技园)\s?)"
_ROAD = rf"(?:[{HAN}A-Za-z0-9·]{{1,12}}?(?:路|街|大道|巷|弄|胡同|里|道|村|径|段|环)\s?)"
_ESTATE_WORD = "小区|花园|公寓|大厦|广场|家园|新村|苑|城|府|庭|湾|中心|大楼|社区|宿舍|学校|大学"
_HOUSE = (
    rf"(?:{_NUMBER}\s?(?:号楼|号院|号|弄|栋|幢|座|单元|层|楼|室|户|组|队|房|巷|门)[-\s,]?"
    rf"|[{HAN}A-Za-z]{{2,12}}?(?:{_ESTATE_WORD})(?:[东西南北]?[{HAN}]?区|[一二三四五六七八九十]期)?\s?"
    rf"|(?<=[栋幢座楼号])\s?[A-Za-z]?\d{{2,5}}(?![\d{HAN}]))"
)
_FROM_TOWN = re.compile(
    rf"(?:{_REGION}{_TOWN}{{0,4}}|(?:{_CITIES})市?\s?{_TOWN}{{0,3}}|(?:(?<![{HAN}])|(?<=[在到至住于址为是寄往家回]))?{_TOWN}{{1,4}})"
    rf"{_ROAD}{{0,3}}(?P<house>{_HOUSE}{{1,6}})(?:\d{{6}}(?!\d))?"
)
_HAS_NUMBER = re.compile(r"[0-9零〇一二三四五六七八九十百]\s?(?:号|室|栋|幢|座|单元|弄|楼|户|组)")
_FROM_ROAD = re.compile(
    rf"(?P<road>[{HAN}]{{1,6}}?(?:路|大街|街|大道|巷|胡同))\s?(?:{_NUMBER}弄\s?)?{_NUMBER}\s?号(?!线|电池|公路|色)(?:{_HOUSE}{{0,5}})"
)
_NO_ROAD = re.compile(  # words that end like the name of a road
    "(?:铁|公|线|电|网|思|套|水|油|气|道|一|管|回|通|出|半|迷|走|铺|带|上)路$"
)
_FLAT = re.compile(
    rf"(?:[{HAN}]{{2,10}}?(?:小区|花园|公寓|大厦|家园|新村|苑|府|庭|社区|宿舍)\s?)?{_NUMBER}\s?(?:号楼|栋|幢|座)\s?"
    rf"(?:{_NUMBER}\s?单元\s?)?(?:{_NUMBER}\s?[层楼]\s?)?{_NUMBER}\s?(?:室|户|房)"
)
_REST = re.compile(  # of an address, behind its part with a number
    rf"(?:\s?[{HAN}]{{0,8}}?[A-Za-z]?{_NUMBER}(?:号楼|号院|号|栋|幢|座|塔|单元|层|楼|室|户|房)"
    r"|(?<=[栋幢座塔楼元号厦场])\s?[A-Za-z]?\d{1,5}[A-Za-z]?(?!\d))*"
)
_AFTER_WORD = re.compile(
    r"(?<![发退])(?:(?:收货|收件|家庭|联系|通讯|通信|邮寄|寄送|配送|详细|居住|公司|单位|办公|户籍|我的|送货)?(?:地址|住址)|住所|家住|住在|寄到|寄往"
    r"|送到|寄至|送至)\s*(?:是|为|:|,)*\s*"
    rf"(?P<address>[{HAN}A-Za-z0-9#\-·() ]{{5,60}})"
)
_IS_FINE = (  # what follows "address:" is a house, not a town alone
    re.compile(
        r"[0-9A-Za-z零〇一二三四五六七八九十]\s?(?:号|室|栋|幢|座|楼|单元|户|组|弄|层|房)"
        "|(?:路|街|巷|弄|胡同|村|小区|花园|公寓|大厦|家园|苑)"
    ),
    re.compile("省|市|区|县|镇|乡|村|路|街|巷|弄|胡同|大道|小区|花园|公寓|大厦|家园|苑|楼|栋|幢|单元"),
)


def find_chinese_addresses(text: str) -> Iterator[Span]:
    """Yield the addresses, each with the building and the flat behind it."""
    for start, end in _find_parts(text):
        rest = _REST.match(text, end)
        yield Span(start, rest.end() if rest else end)


def _find_parts(text: str) -> Iterator[Span]:
    for match in _AFTER_WORD.finditer(text):
        if all(pattern.search(match["address"]) for pattern in _IS_FINE):
            start, end = match.span("address")
            yield Span(start, start + len(text[start:end].rstrip()))
    for match in _FROM_TOWN.finditer(text):
        if _HAS_NUMBER.search(match[0]):
            yield Span(*match.span())
    for match in _FROM_ROAD.finditer(text):
        if not _NO_ROAD.search(match["road"]):
            yield Span(*match.span())
    for match in _FLAT.finditer(text):
        yield Span(*match.span())
