"""One form for texts that mean the same, in English and Chinese."""

import html
import re
import unicodedata

_TAG = re.compile(r"</?[a-zA-Z!][^<>]{0,200}>")
_UNSEEN = re.compile(r"[\x00-\x1f\x7f-\x9f\u200b\u200e\u200f\u202a-\u202e\u2060\ufeff\ud800-\udfff]+")
_SPACE = re.compile(r"\s+")


def normalise(text: str) -> str:
    """Return the text without markup, invisible characters and doubled blanks, in NFKC form (full width becomes half).

    Idempotent on texts without markup; emoji and letters of any script stay.
    """
    text = _TAG.sub(" ", html.unescape(text)) if "<" in text or "&" in text else text
    return _SPACE.sub(" ", _UNSEEN.sub(" ", unicodedata.normalize("NFKC", text))).strip()
