"""Normalisation of texts and words, in English and Chinese."""

import html
import re
import unicodedata

from components.language.stop_words import stop_words

_TAG = re.compile(r"</?[a-zA-Z!][^<>]{0,200}>")
_INVISIBLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u200b\u200e\u200f\u202a-\u202e\u2060\ufeff\ud800-\udfff]+")
_SPACE = re.compile(r"\s+")
HAN = r"\u3007\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"  # Chinese characters, inside of [ ]
_HAN = re.compile(f"[{HAN}]")
_WORD = re.compile(rf"[{HAN}]+|[0-9]+(?:[.,][0-9]+)+|[^\W_{HAN}]+(?:'[^\W_{HAN}]+)*")


def normalise(text: str) -> str:
    """Return the text without markup, invisible characters and doubled blanks, in NFKC form (full width becomes half).

    Idempotent on texts without markup; emoji and letters of any script are kept.
    """
    text = _TAG.sub(" ", html.unescape(text)) if "<" in text or "&" in text else text
    return _SPACE.sub(" ", _INVISIBLE.sub(" ", unicodedata.normalize("NFKC", text))).strip()


def words(text: str) -> list[str]:
    """Return the words without stop words, in lower case and in text order.

    Chinese has no blanks: a run of characters gives each character and each pair of neighbours, so that "红茶壶" is
    found by "红茶", "茶壶" and "茶", without a dictionary. "Don't" and "3.5" are one word each.
    """
    found: list[str] = []
    for match in _WORD.finditer(normalise(text).casefold().replace("’", "'")):
        word = match.group()
        found += _characters(word) if _HAN.match(word) else [word]
    return [w for w in found if not is_stop_word(w)]


def is_stop_word(word: str) -> bool:
    """Return whether a word, as `words` makes it, is a stop word or a pair of Chinese stop characters."""
    return word in stop_words() or (len(word) == 2 and is_chinese(word) and set(word) <= stop_words())


def is_chinese(text: str) -> bool:
    """Return whether the text has a Chinese character."""
    return _HAN.search(text) is not None


def _characters(run: str) -> list[str]:
    """Return each character, followed by the pair that it begins."""
    pairs = [run[i : i + 2] for i in range(len(run) - 1)]
    return [part for both in zip(run, [*pairs, ""], strict=True) for part in both if part]
