"""Phone numbers: of forms that few other numbers have, with a country code, or after a word such as "call"."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise

from components.privacy.context import Span, find_free_numbers, find_urls, is_product_code, only_digits

MAX_DIGITS = 15  # of a phone number, ITU-T E.164; with an extension more
_EXTENSION = r"(?:\s*[,;]?\s*(?:ext(?:ension|n)?\.?|x|#|转|分机)\s*:?\s*\d{1,6}(?!\d))?"
_START = r"(?<![A-Za-z0-9_.+-])(?<!\d )"
_BEFORE = r"(?<![A-Za-z0-9_.-])"
_END = rf"{_EXTENSION}(?![A-Za-z0-9]|[-_][A-Za-z0-9]|\.\d)"
_AREA = r"(?:10|2[0-57-9]|[3-9]\d{2})"  # of China, without the 0
_MOBILE = (
    r"1[3-9]\d(?:[ .-]?\d{4}[ .-]?\d{4}|[ .-]?\d{3}[ .-]?\d{5}|\d[ .-]\d{4}[ .-]\d{3}|(?:[ -]\d{2}){4}"
    r"|[ -]?\d{2}[ -]\d{3}[ -]\d{3})"
)
_FORMS = (
    # China
    rf"{_BEFORE}(?:\(\s*\+?86\s*\)|\+\s?86|0086|86)[ .-]?(?:{_MOBILE}|\(?0?{_AREA}\)?[ .-]?\d{{3,4}}[ .-]?\d{{4}})",
    rf"{_BEFORE}{_MOBILE}",
    rf"{_BEFORE}\(0{_AREA}\)[ -]?\d{{3,4}}[ -]?\d{{4}}",
    rf"{_START}0{_AREA}[ -]\d{{3,4}}[ -]?\d{{4}}",
    rf"{_START}[48]00[ -]\d{{3,4}}[ -]\d{{3,4}}",
    # North America
    rf"{_BEFORE}(?:\+?1[ .-]?)?\([2-9]\d\d\)[ .-]?\d{{3}}[ .-]?\d{{4}}",
    rf"{_START}(?:1[ .-])?[2-9]\d\d(?P<nanp>[ .-])\d{{3}}(?P=nanp)\d{{4}}",
    rf"{_START}[2-9]\d\d[ /]\d{{3}}-\d{{4}}",
    # United Kingdom
    rf"{_START}07(?:\d{{3}}[ -]?\d{{6}}|\d{{3}}[ -]\d{{3}}[ -]?\d{{3}}|\d{{2}}[ -]\d{{4}}[ -]\d{{3,4}})",
    rf"{_START}\(?0(?:2\d\)?[ -]\d{{4}}[ -]?\d{{4}}|1\d1\)?[ -]\d{{3}}[ -]?\d{{4}}|1\d{{3}}\)?[ -]\d{{3}}[ -]?\d{{3}}"
    r"|[38]\d\d\)?[ -]\d{3}[ -]?\d{4})",
    # Japan, Korea, France, Taiwan, Australia, Brazil
    rf"{_START}0[789]0-\d{{4}}-\d{{4}}",
    rf"{_START}01[016-9]-\d{{3,4}}-\d{{4}}",
    rf"{_START}(?P<pairs>0[67](?P<fr>[ .-])\d\d(?:(?P=fr)\d\d){{3}})",
    rf"{_START}09\d\d-\d{{3}}-?\d{{3}}",
    rf"{_START}04\d\d[ -]\d{{3}}[ -]\d{{3}}",
    rf"{_BEFORE}\(\d{{2}}\)[ ]?9?\d{{4}}-\d{{4}}",
)
_NATIONAL = re.compile("|".join(f"{form}{_END}" for form in _FORMS), re.ASCII | re.IGNORECASE)
_INTERNATIONAL = re.compile(
    r"(?<![A-Za-z0-9_.+/-])(?:\+\s?|\(\+|(?<![\d ])00(?=[1-9]\d{0,2}[ -]))[1-9]\d{0,2}\)?(?:[ .\-/]?\(?\d{1,5}\)?){1,6}"
    rf"{_EXTENSION}(?![A-Za-z0-9]|[.,]\d)",
    re.ASCII | re.IGNORECASE,
)
_WORDS = (
    r"(?<![A-Za-z])(?:tel(?:ephone)?s?|phones?|ph|mobiles?|mob|cell(?:phone|ular)?s?|calls?|rings?|text(?:ing)?|sms"
    r"|whats\s?app|fax|hotline|landline|dial|contact|reach)(?![A-Za-z])"
    r"|电话|手机|联系方式|联系人?|致电|拨打|来电|座机|传真|热线|短信|呼叫|(?<![qQ群微信])号码"
)
_BETWEEN = (
    r"(?:\s*(?:(?:number|num|no|nr|is|was|me|us|him|her|them|my|at|on|or|to|for|via|by|home|work|office|mobile|cell|direct"
    r"|line|phone|tel)(?![A-Za-z])|[:#=,.()*'\"\[\]|~/-]|号码?|码|是|为|同号|我|他|她|您|可|请|后|到|在|本人|客服|微信)){0,5}\s*"
)
_AFTER_WORD = re.compile(
    rf"(?:{_WORDS}){_BETWEEN}(?P<number>(?:\+|\(\+?)?\d(?:[ ().\-/]{{0,3}}\d){{6,14}}{_EXTENSION})"
    r"(?![A-Za-z0-9]|[.,]\d)",
    re.ASCII | re.IGNORECASE,
)
_NUMERAL = "〇零一二三四五六七八九幺\\d"
_IN_NUMERALS = re.compile(rf"(?<![{_NUMERAL}])[1一幺][3-9三四五六七八九][{_NUMERAL}]{{9}}(?![{_NUMERAL}])", re.ASCII)
_LINK = re.compile(r"(?:wa\.me/|tel:|sms:|whatsapp://send\?phone=)\+?(?P<number>\d{7,15})", re.ASCII | re.IGNORECASE)
_DATE = re.compile(r"(?:19|20)\d\d[ ./-]?(?:0?[1-9]|1[0-2])[ ./-]?(?:0?[1-9]|[12]\d|3[01])(?:\D|$)", re.ASCII)


def find_phones(text: str) -> Iterator[Span]:
    """Yield phone numbers with their extension, not those that are part of a page's address."""
    urls = find_urls(text)
    for span in _find_phones(text):
        if not any(url.start <= span.start < url.end for url in urls):
            yield span
    for match in _LINK.finditer(text):
        yield Span(*match.span("number"))


def _find_phones(text: str) -> Iterator[Span]:
    for match in find_free_numbers(_NATIONAL, text):
        if not match["pairs"] or not _is_series(match["pairs"]):
            yield Span(*match.span())
    for match in find_free_numbers(_INTERNATIONAL, text):
        if 8 <= len(only_digits(match[0])) <= MAX_DIGITS and match[0].count(".") != 1:  # 1: a coordinate
            yield Span(*match.span())
    for match in _AFTER_WORD.finditer(text):
        if not _DATE.match(match["number"]) and not is_product_code(text, match.start()):
            yield Span(*match.span("number"))
    for match in _IN_NUMERALS.finditer(text):
        if not match[0].isdecimal() and not is_product_code(text, match.start()):
            yield Span(*match.span())


def _is_series(text: str) -> bool:
    """Return whether pairs of digits have equal differences, as a list of sizes has."""
    pairs = [int(pair) for pair in re.findall(r"\d\d", text)]
    return len({b - a for a, b in pairwise(pairs)}) == 1
