"""Folding of words: the form without marks, under which "Café", "CAFÉ" and "cafe" are one word.

What is a mark is decided by script: where shoppers leave it out, it goes; where it makes another letter, it stays.

    Latin       all marks go, also strokes: é, ñ, ş, ơ -> e, n, s, o; ø, ł, đ, ı, æ, ß -> o, l, d, i, ae, ss
    Greek       accents and diaeresis go: ά, ϊ -> α, ι
    Cyrillic    ё -> е and stress marks go; й, ў and ї, which have keys of their own, stay
    Arabic      short vowels and tatweel go; forms of alef, yeh, kaf and teh marbuta are written in one way
    Hebrew      vowel points go
    all others  stay whole: vowel signs of Devanagari or Thai, Japanese voicing marks and Korean letters make the word
"""

import unicodedata

_LETTERS = {
    "ø": "o", "ł": "l", "đ": "d", "ð": "d", "þ": "th", "æ": "ae", "œ": "oe", "ı": "i", "ħ": "h", "ŧ": "t", "ŋ": "n",
    "ə": "e", "ґ": "г", "й": "й", "ў": "ў", "ї": "ї",
    "أ": "ا", "إ": "ا", "آ": "ا", "ٱ": "ا", "ى": "ي", "ی": "ي", "ک": "ك", "ة": "ه", "ـ": "",
}  # fmt: skip
_DIGRAPHS = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "ø": "oe", "å": "aa"})
_SCRIPTS = ("LATIN", "GREEK", "CYRILLIC")  # first word of a character's name; their letters lose all marks
_POINTS = (
    (0x0300, 0x036F), (0x0483, 0x0487), (0x0591, 0x05C7), (0x0610, 0x061A), (0x064B, 0x065F), (0x0670, 0x0670),
    (0x06D6, 0x06ED), (0x1DC0, 0x1DFF), (0xFE00, 0xFE0F),
)  # fmt: skip


class _Folding(dict[int, str]):
    """Code point -> folded characters, computed at first use."""

    def __missing__(self, code: int) -> str:
        folded = self[code] = _fold_character(chr(code))
        return folded


_FOLDING = _Folding()


def fold(word: str) -> str:
    """Return a word, in lower case and NFKC form, without marks and with digits 0 to 9."""
    return word if word.isascii() else word.translate(_FOLDING)


def fold_with_digraphs(word: str) -> str:
    """Return the word without marks where ä, ö, ü, ø and å are written ae, oe, ue, oe and aa."""
    return word if word.isascii() else fold(word.translate(_DIGRAPHS))


def _fold_character(char: str) -> str:
    if char in _LETTERS:
        return _LETTERS[char]
    category = unicodedata.category(char)
    if category == "Nd":
        return str(unicodedata.decimal(char))
    if category == "Mn" and any(first <= ord(char) <= last for first, last in _POINTS):
        return ""
    if unicodedata.name(char, "").startswith(_SCRIPTS):
        letters = (c for c in unicodedata.normalize("NFD", char) if unicodedata.category(c) != "Mn")
        return "".join(_LETTERS.get(c, c) for c in letters)
    return char
