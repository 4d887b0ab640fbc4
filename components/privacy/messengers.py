"""Ids of WeChat, QQ, Telegram, LINE and the like, after the name of the service."""

from __future__ import annotations

import re
from collections.abc import Iterator

from components.privacy.context import Span, is_product_code

_HANDLE = r"[A-Za-z][A-Za-z0-9_.-]{3,30}[A-Za-z0-9_-]"
_WECHAT = (
    r"we\s?chat|weixin|微\s?信|威信|薇信|v\s?信|(?<![A-Za-z])(?:wx|vx)(?=[号:=\s+\d])|(?<![A-Za-z])v(?=号?[:=])"
    r"|(?<=加)v(?=[A-Za-z0-9:号])"
)
_OTHERS = (
    r"telegram|(?<![A-Za-z])(?:tg|ig)(?=\s?[:@])|(?<![A-Za-z])line(?=\s*id(?![A-Za-z])|:)|skype|kakao(?:talk)?|instagram"
    r"|snapchat|discord|whats\s?app"
)
_SERVICE = rf"(?:{_WECHAT}|{_OTHERS})"
_STATED = re.compile(  # the text says that an id follows
    rf"{_SERVICE}\s*(?:\((?:id|号)\)|account|id(?![A-Za-z])|号码?|帐号|账号|handle|user\s?name)\s*(?:is(?![a-z])|是|为|[:=>→-])*\s*"
    rf"(?P<id>@?{_HANDLE}|\d{{5,12}})(?![A-Za-z0-9_])",
    re.ASCII | re.IGNORECASE,
)
_AFTER_NAME = re.compile(
    rf"{_SERVICE}\s*(?:(?:(?:my|me|us|is|at|on|to)(?![A-Za-z])|同号|我|加|是|为|搜索?|联系|添加|[:=>→+-])\s*){{0,4}}"
    rf"(?P<id>@?{_HANDLE}|\d{{6,12}})(?![A-Za-z0-9_])",
    re.ASCII | re.IGNORECASE,
)
_BEFORE_NAME = re.compile(
    rf"(?:add|加|find)\s*(?:me|us|我|一下)?\s*(?P<id>{_HANDLE})\s*(?:on|in|的)\s*(?:wechat|weixin|telegram|skype|微信)",
    re.ASCII | re.IGNORECASE,
)
_QQ = re.compile(
    r"(?:(?<![A-Za-z])q\s?q|扣\s?扣|企鹅|(?<=加)q|(?<![A-Za-z])q(?=群|号|:))"
    r"(?:\s*(?:号码?|群号?|账号|帐号|id|number|no\.?|account|is|是|为))*\s*[:=-]?\s*(?P<id>[1-9]\d{4,10})(?![A-Za-z0-9]|[.-]\d)",
    re.ASCII | re.IGNORECASE,
)
_PAGE = re.compile(r"(?:t\.me|telegram\.me)/(?P<id>[A-Za-z]\w{4,31})", re.ASCII | re.IGNORECASE)
_COLON = re.compile(r"[:=@→>]\s*@?$")
_WORD = re.compile(  # that follows the name of a service and is no id
    "official|support|customer|service|account|number|contact|stickers?|groups?|channel|payments?|store|video|calls|messenger"
    "|messages?|follow|friends?|please|available|compatible|android|iphone|windows"
)


def find_messengers(text: str) -> Iterator[Span]:
    """Yield the ids; a word of letters alone is one only where the text says so, as in "wechat: johnsmith"."""
    for match in _QQ.finditer(text):
        if not is_product_code(text, match.start()):
            yield Span(*match.span("id"))
    for match in _PAGE.finditer(text):
        yield Span(*match.span("id"))
    for pattern in (_STATED, _AFTER_NAME, _BEFORE_NAME):
        for match in pattern.finditer(text):
            name, start = match["id"].lstrip("@").lower(), match.start("id")
            is_stated = pattern is not _AFTER_NAME or match["id"][0] == "@" or _COLON.search(text[:start])
            if not _WORD.fullmatch(name) and (is_stated or re.search(r"[\d_]", name)):
                yield Span(*match.span("id"))
