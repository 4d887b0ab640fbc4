"""Normalisation of texts, in English and Chinese."""

import html
import re
import unicodedata

_TAG = re.compile(r"</?[a-zA-Z!][^<>]{0,200}>")
_INVISIBLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u200b\u200e\u200f\u202a-\u202e\u2060\ufeff\ud800-\udfff]+")
_SPACE = re.compile(r"\s+")
HAN = r"\u3007\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"  # Chinese characters, inside of [ ]
_HAN = re.compile(f"[{HAN}]")


def normalise(text: str) -> str:
    """Return the text without markup, invisible characters and doubled blanks, in NFKC form (full width becomes half).

    Idempotent on texts without markup; emoji and letters of any script are kept.
    """
    text = _TAG.sub(" ", html.unescape(text)) if "<" in text or "&" in text else text
    return _SPACE.sub(" ", _INVISIBLE.sub(" ", unicodedata.normalize("NFKC", text))).strip()


def is_chinese(text: str) -> bool:
    """Return whether the text has a Chinese character."""
    return _HAN.search(text) is not None
