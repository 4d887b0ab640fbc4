"""What stands around a number: keywords that say what it is, units, currencies, addresses of web pages."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

HAN = "\u4e00-\u9fff"
_BLANKS, _DASHES, _DOTS = (
    "\u3000\xa0\u202f\u2009\u200b\u200c\u200d\u2060\xad",
    "\u2010\u2011\u2012\u2013\u2014\u2212",
    "\u30fb\u2022",
)
TRANSLATION = {  # ASCII forms of the same length: full-width signs and digits, other blanks, dashes and brackets
    **{code: code - 0xFEE0 for code in range(0xFF01, 0xFF5F)},
    **dict.fromkeys(map(ord, _BLANKS), ord(" ")),
    **dict.fromkeys(map(ord, _DASHES), ord("-")),
    **dict.fromkeys(map(ord, _DOTS), ord(".")),
    **dict(zip(map(ord, "【】［］｛｝〔〕"), map(ord, "[][]{}[]"), strict=True)),
}
URL = re.compile(r"(?i)\b(?:(?:https?|ftp|ssh|git)://|www\.)[^\s<>\"\u3000-\u9fff]+", re.ASCII)

_SIGNS = r"[\s:#.,=*_'\"()\[\]/|~-]*"
_LINK = rf"{_SIGNS}(?:no\.?|number|num\.?|nr\.?|id|code|is|was|号码|号|编码|码|为|是)?{_SIGNS}$"
_CODE_WORDS = (
    r"orders?|sku|asin|isbn(?:-?1[03])?|issn|ean(?:-?(?:13|8))?|upc(?:-?a)?|gtin(?:-?1[34])?|jan|models?|parts?|p/n|pn|mpn|oem|items?"
    r"|ref|reference|serial|s/n|sn|imei|batch|lot|tracking|waybill|invoice|receipt|ticket|article|art|barcode|product"
    r"|catalog(?:ue)?|style|version|ver|coupon|voucher|promo|confirmation|case|patent|fcc|cas|doi|transaction|shipment"
    r"|shipping|package|parcel|rma|po|mac|quote|claim|plu|hs|dpci|tcin"
)
_CODE_WORDS_ZH = (
    "订单|单号|货号|型号|编号|条码|条形码|运单|快递|物流|批号|序列|款号|产品|商品|票号|发票|流水|书号|交易|批次|版本|串号|编码|券码|优惠码|"
    "兑换码|工单|案号|备案|许可证|批准文|国药准字|专利|执行标准|尾号|库存|销量"
)
_PRODUCT_CODE = re.compile(rf"(?i)(?:(?<![a-z])(?:{_CODE_WORDS})|{_CODE_WORDS_ZH}){_LINK}", re.ASCII)
_MONEY = re.compile(r"(?i)(?:[$¥￥€£]|rmb|usd|cny|eur|gbp)\s*$", re.ASCII)
_UNIT = re.compile(
    r"(?i)\s*(?:mm|cm|dm|km|kg|mg|ml|oz|lbs?|mah|wh|kwh|hz|khz|mhz|ghz|rpm|dpi|ppi|lm|lumens?|pcs?|pieces?|packs?|sheets?"
    r"|points?|inch(?:es)?|ft|yd|gb|mb|tb|kb|usd|rmb|eur|dollars?|bucks|km/h|psi)(?![a-z])"
    r"|[gwvakml](?![a-z])|\s*[%‰°℃￥€£]|元|块钱|円|件|个(?!人)|毫升|毫米|厘米|公里|公斤|千克|克|米|瓦|毫安|赫兹|流明|积分|金币|像素|亿",
    re.ASCII,
)
WINDOW = 40  # characters before a number that may say what it is


class Span(NamedTuple):
    """A part of a text."""

    start: int
    end: int


def to_ascii(text: str) -> str:
    """Return the text with full-width and other forms of ASCII characters replaced; the length is the same."""
    return text if text.isascii() else text.translate(TRANSLATION)


def find_urls(text: str) -> list[Span]:
    """Return the addresses of web pages."""
    return [Span(*match.span()) for match in URL.finditer(text)] if "://" in text or "www." in text.lower() else []


def is_product_code(text: str, start: int) -> bool:
    """Return whether what stands before `start` says that a number is an order's or a product's, or an amount."""
    before = text[max(0, start - WINDOW) : start]
    return _PRODUCT_CODE.search(before) is not None or _MONEY.search(before) is not None


def is_measure(text: str, end: int) -> bool:
    """Return whether a unit stands behind a number."""
    return _UNIT.match(text, end) is not None


def only_digits(text: str) -> str:
    """Return the digits of the text."""
    return "".join(c for c in text if c.isdigit())


def find_free_numbers(pattern: re.Pattern[str], text: str) -> Iterator[re.Match[str]]:
    """Yield matches that no word declares a code or an amount, and no unit a measure."""
    for match in pattern.finditer(text):
        if not is_product_code(text, match.start()) and not is_measure(text, match.end()):
            yield match
