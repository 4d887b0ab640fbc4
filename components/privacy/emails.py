"""E-mail addresses as they are, and as people write them for people: "john dot smith at gmail dot com"."""

from __future__ import annotations

import re
from collections.abc import Iterator

from components.privacy.context import Span, find_urls

_LETTER = "A-Za-z0-9\u00c0-\u024f"
_LOCAL = rf"[{_LETTER}](?:[{_LETTER}._%+'-]*[{_LETTER}_+-])?"
_LABEL = rf"[{_LETTER}](?:[{_LETTER}-]*[{_LETTER}])?"
_NO_FILE = r"(?!(?:png|jpe?g|gif|svg|webp|bmp|pdf|js|ts|css|html?|json|xml|zip|mp[34]|txt)(?![A-Za-z]))"
_TOP = rf"{_NO_FILE}[A-Za-z]{{2,24}}(?![A-Za-z0-9]|:[\w~/])"  # a colon: git@host.com:path
_SPACED_TOP = r"(?:com|net|org|edu|cn|uk|de|fr|io|co)(?![A-Za-z0-9])"
_EMAIL = re.compile(
    rf"(?<![{_LETTER}._%+-]){_LOCAL}(?:@(?:{_LABEL}[.。])+{_TOP}|\s?@\s?(?:{_LABEL}\s?\.\s?)+{_SPACED_TOP})", re.ASCII
)
_PROVIDERS = (
    "gmail|googlemail|hotmail|outlook|yahoo|ymail|qq|foxmail|163|126|yeah|sina|sohu|139|189|aliyun|icloud|live|msn|aol|"
    "proton|protonmail|gmx|web|mail|yandex|zoho|fastmail|tutanota|comcast|verizon|btinternet|naver|daum|rediffmail"
)
_PROVIDER = re.compile(_PROVIDERS, re.IGNORECASE)
_DOT = r"(?:\s*[(\[{<]\s*(?:dot|\.|点)\s*[)\]}>]\s*|\s+dot\s+|\s*点\s*|\s?\.\s?)"
_AT = r"(?:\s*[(\[{<]\s*(?:at|@|a|艾特)\s*[)\]}>]\s*|\s*艾特\s*|\s+at\s+|@)"
_SPOKEN_LOCAL = rf"[A-Za-z0-9][A-Za-z0-9_+-]*(?:(?:{_DOT}|\s+(?:underscore|dash|hyphen)\s+)[A-Za-z0-9_+-]+){{0,4}}"
_SPOKEN = re.compile(
    rf"(?<![A-Za-z0-9@.])(?P<local>{_SPOKEN_LOCAL})(?P<at>{_AT})(?P<host>[A-Za-z0-9-]+(?:{_DOT}[A-Za-z0-9-]+)*?)"
    rf"(?P<dot>{_DOT})(?:com|net|org|edu|gov|co|io|cn|uk|de|fr|us|me|info|biz|hk|tw|jp|ca|au|in|eu)"
    rf"(?:{_DOT}(?:cn|uk|jp|au|hk|tw|in|br|nz|sg))?(?![A-Za-z0-9])",
    re.ASCII | re.IGNORECASE,
)
_SIGN_FOR_AT = re.compile(  # 12345#qq.com
    r"(?<![A-Za-z0-9])[A-Za-z0-9][\w.+-]{2,30}\s?(?:#|\*|\(#\))\s?(?:qq|163|126|gmail|hotmail|outlook|foxmail|sina)\.com"
    r"(?![A-Za-z])",
    re.ASCII | re.IGNORECASE,
)
_WORD_BEFORE_AT = re.compile(  # "order online at example dot com"
    "us|me|it|them|available|sold|buy|shop|only|now|found|visit|here|online|order(?:ed)?|bought|purchase|look(?:ing)?|stores?"
    "|sales?|check|see|read|more|sell(?:ing)?|priced?|listed|you|him|her|this|that|one|site",
    re.IGNORECASE,
)
_EMAIL_WORD = re.compile(r"(?:mail|contact|reach|write|邮箱|邮件|信箱|联系)[^.]{0,25}$", re.IGNORECASE)


def find_emails(text: str) -> Iterator[Span]:
    """Yield e-mail addresses; not the users in addresses of pages, as in ftp://anonymous@ftp.example.com."""
    urls = find_urls(text)
    for match in _EMAIL.finditer(text):
        before = [text[url.start : match.start()] for url in urls if url.start <= match.start() < url.end]
        if not any("/" not in part.partition("://")[2] for part in before):
            yield Span(*match.span())
    for match in _SPOKEN.finditer(text):
        if _is_spoken_email(text, match):
            yield Span(*match.span())
    for match in _SIGN_FOR_AT.finditer(text):
        yield Span(*match.span())


def _is_spoken_email(text: str, match: re.Match[str]) -> bool:
    if match["at"].strip().lower() != "at":  # (at)
        return True
    if _WORD_BEFORE_AT.fullmatch(match["local"]):
        return False
    if _PROVIDER.fullmatch(match["host"]):
        return True
    if match["dot"].strip() == ".":  # "size 4.5 at shop.com"
        return False
    return bool(re.search(r"\d|_|\.|\sdot\s|\sunderscore\s", match["local"].lower())) or bool(
        _EMAIL_WORD.search(text[: match.start()])
    )
