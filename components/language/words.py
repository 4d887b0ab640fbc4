"""Words of a text in any language, folded; Chinese as characters and pairs of characters."""

import re
import unicodedata
from functools import lru_cache
from typing import NamedTuple

from components.language.folding import fold, fold_with_digraphs
from components.language.stop_words import stop_words
from components.language.text import HAN, is_chinese, normalise

FIRST_HAN = "\u3007"
CACHED_WORDS = 100_000  # most words of a catalogue are repeated
_HAN = re.compile(f"[{HAN}]")
_MARKS = "".join(chr(c) for c in range(0x300, 0x1E00) if unicodedata.category(chr(c)) in ("Mn", "Mc")) + "\u3099\u309a"
_LETTERS = rf"[^\W_{HAN}]+(?:[{_MARKS}]+[^\W_{HAN}]*)*"
_WORD = re.compile(rf"[{HAN}]+|[0-9]+(?:[.,][0-9]+)+|{_LETTERS}(?:'{_LETTERS})*")
_QUOTES = str.maketrans(dict.fromkeys("\u2018\u2019\u201b\u02bc\u02bb\u02b9\u2032\u00b4`\uff07", "'"))
_INSIDE = str.maketrans(
    dict.fromkeys("\u00ad\u200c\u200d\ufe0e\ufe0f", "")
)  # soft hyphen, joiners: in a word, not seen
_JOINERS = frozenset("-\u2010\u2012\u2013/.&+_")  # between words that are also written as one


class Word(NamedTuple):
    """A word of a text."""

    text: str  # folded: lower case, without marks
    digraphs: str  # folded with ae for ä and so on; equal to `text` where the word has no such letter
    is_stop: bool
    is_attached: bool  # no blank between it and the word before: the second part of "t-shirt" or "l'eau"
    is_chinese: bool


def split_words(text: str) -> list[Word]:
    """Return the words in text order.

    Chinese has no blanks: a run of characters gives each character and each pair of neighbours, so that "红茶壶" is
    found by "红茶", "茶壶" and "茶", without a dictionary. "3.5" is one word. "Levi's" gives
    "levi", "l'eau" gives "l" and "eau".
    """
    found: list[Word] = []
    text = normalise(text if text.isascii() else text.translate(_QUOTES))
    text = text.lower().replace("`", "'") if text.isascii() else text.casefold().translate(_QUOTES).translate(_INSIDE)
    end = -2
    for match in _WORD.finditer(text):
        raw, start = match.group(), match.start()
        if raw[0] >= FIRST_HAN and _HAN.match(raw):
            found += [_chinese(part) for part in _characters(raw)]
            end = -2
            continue
        is_attached = start == end or (start == end + 1 and text[end] in _JOINERS)
        found += _words_of(raw, is_attached)
        end = match.end()
    return found


def words(text: str) -> list[str]:
    """Return the folded words without stop words, in text order."""
    return [word.text for word in split_words(text) if not word.is_stop]


def is_stop_word(word: str) -> bool:
    """Return whether a word in lower case, with its marks, is a stop word or a pair of Chinese stop characters."""
    return word in stop_words() or (len(word) == 2 and is_chinese(word) and set(word) <= stop_words())


@lru_cache(maxsize=CACHED_WORDS)
def _words_of(raw: str, is_attached: bool) -> tuple[Word, ...]:
    """Return the words of a run of letters, digits and apostrophes."""
    if is_stop_word(raw):
        return (Word(raw, raw, True, is_attached, False),)
    parts = [part for part in raw.removesuffix("'s").split("'") if fold(part)]
    return tuple(
        Word(fold(part), fold_with_digraphs(part), False, is_attached or n > 0, False) for n, part in enumerate(parts)
    )


@lru_cache(maxsize=CACHED_WORDS)
def _chinese(part: str) -> Word:
    return Word(part, part, is_stop_word(part), False, True)


def _characters(run: str) -> list[str]:
    """Return each character, followed by the pair that it begins."""
    pairs = [run[i : i + 2] for i in range(len(run) - 1)]
    return [part for both in zip(run, [*pairs, ""], strict=True) for part in both if part]
