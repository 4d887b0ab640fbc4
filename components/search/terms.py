"""What is indexed: the words of a text, neighbours written as one word, and article numbers with their parts."""

from __future__ import annotations

import re
from collections.abc import Container, Iterator, Sequence, Set
from itertools import pairwise

from components.language.folding import fold
from components.language.text import normalise
from components.language.words import Word, split_words
from components.search.stemming import stem

MAX_JOINED_WORDS, MAX_JOINED_LENGTH = 4, 30  # neighbours that are read as one word: count, and characters of the result
ID, ID_PART = "#", "%"  # first character of the terms of whole article numbers and of their parts; no word has it
MIN_PART_LENGTH = 3  # characters of a part of an article number; it also holds a digit
_RUN, _PUNCTUATION = re.compile(r"\d+|\D+"), re.compile(r"[\W_]+")


def split_terms(text: str) -> list[str]:
    """Return the keys of the words of a text: without stop words, plural and singular alike."""
    return [stem(word.text) for word in split_words(text) if not word.is_stop]


def joined_words(
    words: Sequence[Word], known: Container[str] = (), first_parts: Container[str] | None = None
) -> Iterator[tuple[int, int, str]]:
    """Yield (start, stop, words[start:stop] as one word) for neighbours without a blank between, or joined in `known`.

    "t-shirt" gives "tshirt", "L'Oréal" gives "loreal"; "red bull" gives "redbull" only if that is known.
    first_parts: of the known words; no other word is looked at as the first one before a blank. None: all are.
    """
    for start, first in enumerate(words[:-1]):
        if first_parts is not None and first.text not in first_parts and not words[start + 1].is_attached:
            continue
        joined, is_attached = first.text, True
        for stop in range(start + 1, min(start + MAX_JOINED_WORDS, len(words))):
            word = words[stop]
            joined += word.text
            if first.is_chinese or word.is_chinese or len(joined) > MAX_JOINED_LENGTH:
                break
            is_attached = is_attached and word.is_attached
            if is_attached or joined in known:
                yield start, stop + 1, joined


def first_parts(words: Set[str]) -> set[str]:
    """Return the words that are the first part of another one that is two to four of these words, joined."""

    def is_joined(word: str, n_parts: int) -> bool:
        if word in words:
            return True
        return n_parts > 1 and any(
            word[:at] in words and is_joined(word[at:], n_parts - 1) for at in range(1, len(word))
        )

    return {
        word[:at]
        for word in words
        if len(word) <= MAX_JOINED_LENGTH
        for at in range(1, len(word))
        if word[:at] in words and is_joined(word[at:], MAX_JOINED_WORDS - 1)
    }


def id_key(item_id: str) -> str:
    """Return an article number without case, marks and punctuation: "KT-2040/B" and "kt 2040b" give "kt2040b"."""
    return "".join(_pieces(item_id))


def id_parts(item_id: str) -> set[str]:
    """Return the parts by which an article number is found: its runs of digits or letters, and two neighbours joined.

    Only parts that hold a digit, so that an id such as "red-lamp-12" is no answer to "lamp".
    """
    runs = [run for piece in _pieces(item_id) for run in _RUN.findall(piece)]
    parts = {*runs, *(first + second for first, second in pairwise(runs))}
    return {part for part in parts if is_id_like(part)} - {"".join(runs)}


def is_id_like(word: str) -> bool:
    """Return whether a word may be an article number or a part of one."""
    return len(word) >= MIN_PART_LENGTH and any(c.isdigit() for c in word)


def cuts(word: str) -> Iterator[list[str]]:
    """Yield the ways to cut a word apart: between digits and letters, then anywhere in two.

    "10x15cm" gives 10, x, 15, cm; "redbull" gives r edbull, re dbull and so on.
    """
    runs = _RUN.findall(word)
    if len(runs) > 2:
        yield runs
    yield from ([word[:at], word[at:]] for at in range(1, len(word)))


def _pieces(item_id: str) -> list[str]:
    return _PUNCTUATION.sub(" ", fold(normalise(item_id).casefold())).split()
