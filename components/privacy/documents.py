"""Numbers of payment cards, bank accounts, national ids and passports."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from components.privacy import checksums
from components.privacy.context import Span, find_urls, is_measure, is_product_code, only_digits

_BEFORE = r"(?<![A-Za-z0-9])(?<![\d][.,-])"
_AFTER = r"(?![A-Za-z0-9]|[.,-]\d)"
_CARD = re.compile(
    rf"{_BEFORE}(?:\d{{14,19}}|\d{{4,12}}(?:[ .-]\d{{3,12}}){{1,4}}){_AFTER}",
    re.ASCII,
)
_IBAN = re.compile(
    r"(?<![A-Za-z0-9])[A-Za-z]{2}\d{2}(?:[ -]?[A-Za-z0-9]{4}){2,7}(?:[ -]?[A-Za-z0-9]{1,4})?(?![A-Za-z0-9])", re.ASCII
)
_CN_ID = re.compile(
    r"(?<![A-Za-z0-9])\d{6}(?:[ -]?\d{4}[ -]?\d{2}[ -]?\d{2}[ -]?\d{3}[ -]?|[ -]\d{4}[ -]\d{4}[ -]\d{3})[\dXx]"
    r"(?![A-Za-z0-9])",
    re.ASCII,
)
_ID_WORD = re.compile(
    r"(?:身份证|身份證|证件|identity|resident id|national id|id (?:card|no|number))[^\d]{0,14}$",
    re.ASCII | re.IGNORECASE,
)
_SSN = re.compile(r"(?<![A-Za-z0-9-])(?!000|666|9)\d{3}-(?!00)\d{2}-(?!0000)\d{4}(?![A-Za-z0-9]|-\d)", re.ASCII)
_NINO = re.compile(
    r"(?<![A-Za-z0-9])[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z] \d{2} \d{2} \d{2} [A-D](?![A-Za-z0-9])", re.ASCII
)
_HK_ID = re.compile(r"(?<![A-Za-z0-9])[A-Z]{1,2}\d{6}\([\dA]\)", re.ASCII)
_KOREAN_ID = re.compile(rf"{_BEFORE}\d{{6}}-[1-4]\d{{6}}{_AFTER}", re.ASCII)
_CPF = re.compile(r"(?<![A-Za-z0-9.-])\d{3}\.\d{3}\.\d{3}-\d{2}(?![A-Za-z0-9]|[.-]\d)", re.ASCII)
_CODICE_FISCALE = re.compile(
    r"(?<![A-Za-z0-9])[A-Z]{6}\d{2}[ABCDEHLMPRST]\d{2}[A-Z]\d{3}[A-Z](?![A-Za-z0-9])", re.ASCII
)


def _has_its_form(_: str) -> bool:
    return True


def _is_hong_kong_id(found: str) -> bool:
    return checksums.is_hong_kong_id(re.sub(r"\W", "", found))


_CHECKED: tuple[tuple[re.Pattern[str], Callable[[str], bool]], ...] = (
    (_SSN, _has_its_form),
    (_NINO, _has_its_form),
    (_CODICE_FISCALE, _has_its_form),
    (_HK_ID, _is_hong_kong_id),
    (_KOREAN_ID, lambda found: checksums.is_korean_id(only_digits(found))),
    (_CPF, lambda found: checksums.is_brazilian_id(only_digits(found))),
)
_LINK = r"(?:\s*(?:(?:number|num|no|nr|is|card|code|#)(?![A-Za-z])|[:#=.()-]|号码?|編號|字號|字号|是|为|為))*\s*"
_NAMES_OF_IDS = (
    (
        r"(?<![A-Za-z])ssn|social\s+security|(?:my|your|his|her)\s+social(?=\s+(?:is|no|#|number|:|\d))|(?<![A-Za-z])itin",
        r"\d{3}[ .-]?\d{2}[ .-]?\d{4}",
    ),
    (
        r"(?<![A-Za-z])(?:nino|n\.?i\.?(?=\s*n)|national\s+insurance|ni)(?![A-Za-z])",
        r"[A-Z]{2}[ -]?\d{2}[ -]?\d{2}[ -]?\d{2}[ -]?[A-D]",
    ),
    ("身份证|身份證|身分證|证件", r"(?:\d{15}|\d{17}[\dX]|[A-Z]{1,2}\d{6}\(?[\dA]\)?|[A-Z][12]\d{8})"),
    (
        r"(?<![A-Za-z])(?:hkid|nric|fin|identity\s+card|id\s+card|national\s+id|citizen\s+id|identity)(?![A-Za-z])",
        r"(?:[A-Z]{1,2}\d{6,8}\(?[\dA-Z]?\)?|\d{8,18}X?)",
    ),
    (r"(?<![A-Za-z])(?:aadhaar|aadhar|uidai)(?![A-Za-z])", r"[2-9]\d{3}[ -]?\d{4}[ -]?\d{4}"),
    (r"(?<![A-Za-z])pan(?![A-Za-z])", r"[A-Z]{5}\d{4}[A-Z]"),
    (r"(?<![A-Za-z])(?:sin|social\s+insurance|tfn|tax\s+file)(?![A-Za-z])", r"\d{3}[ -]?\d{3}[ -]?\d{3}"),
    (r"(?<![A-Za-z])(?:dni|nie|nif)(?![A-Za-z])", r"[XYZ]?\d{7,8}-?[A-Z]"),
    (r"(?<![A-Za-z])cpf(?![A-Za-z])", r"\d{3}\.?\d{3}\.?\d{3}-?\d{2}"),
    (r"driv(?:er'?s?|ing)\s+licen[sc]e|驾驶证|驾照", r"(?=[A-Z0-9]*\d{4})[A-Z0-9]{7,18}"),
)
_NAMED = tuple(
    re.compile(rf"(?:{words}){_LINK}(?P<id>{form})(?![A-Za-z0-9]|-\d)", re.ASCII | re.IGNORECASE)
    for words, form in _NAMES_OF_IDS
)
_PASSPORT = re.compile(
    r"(?:passport|护照|護照|通行证|passeport|reisepass)"
    r"(?:\s*(?:(?:number|num|no|nr|is|was|id|book|copy)(?![A-Za-z])|[:#=.()-]|编?号码?|編號|是|为|為))*\s*"
    r"(?P<id>(?=(?:[A-Z]* ?\d){5})[A-Z]{0,3} ?\d[A-Z0-9]{5,9})(?![A-Za-z0-9])",
    re.ASCII | re.IGNORECASE,
)


def find_cards(text: str) -> Iterator[Span]:
    """Yield numbers of payment cards: an issuer's prefix and length, and the Luhn digit."""
    for match in _CARD.finditer(text):
        if checksums.is_card(only_digits(match[0])) and not _is_code(text, match):
            yield Span(*match.span())


def find_ibans(text: str) -> Iterator[Span]:
    """Yield IBANs, in groups or not; where more letters follow, the longest part that is one."""
    for match in _IBAN.finditer(text):
        end = match.end()
        while end > match.start() + 14:
            if checksums.is_iban("".join(c for c in text[match.start() : end] if c.isalnum())):
                yield Span(match.start(), end)
                break
            end = max(text.rfind(" ", match.start(), end), text.rfind("-", match.start(), end))


def find_national_ids(text: str) -> Iterator[Span]:
    """Yield national ids: with their check digits, of a form of their own, or after their name."""
    for match in _CN_ID.finditer(text):
        number = "".join(c for c in match[0] if c.isalnum())
        is_named = _ID_WORD.search(text[: match.start()]) is not None
        if checksums.is_chinese_id(number) or (is_named and checksums.may_be_chinese_id(number)):
            yield Span(*match.span())
    for pattern, is_valid in _CHECKED:
        for match in pattern.finditer(text):
            if is_valid(match[0]) and not _is_code(text, match):
                yield Span(*match.span())
    for pattern in _NAMED:
        for match in pattern.finditer(text):
            yield Span(*match.span("id"))


def find_passports(text: str) -> Iterator[Span]:
    """Yield numbers after the word passport."""
    for match in _PASSPORT.finditer(text):
        yield Span(*match.span("id"))


def _is_code(text: str, match: re.Match[str]) -> bool:
    """Return whether the number is an order's or a product's, a measure, or part of a page's address."""
    return (
        is_product_code(text, match.start())
        or is_measure(text, match.end())
        or any(url.start <= match.start() < url.end for url in find_urls(text))
    )
