"""What an id of a user, a product or a session is: one set of rules for ingest and for the service.

An id is text in Unicode form NFC, without blanks around it. The service cleans with `clean`, ingest with the expression
`cleaned` of data/conversion.py, which is made of the same constants; both engines read the patterns of RULES alike.
Letters keep their case, and HTML entities are refused, not decoded: nothing is guessed about an id.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection
from contextvars import ContextVar
from typing import NamedTuple

MAX_LENGTH = 256  # characters
MAX_EXACT = str(2**53 - 1)  # above it, neighbouring whole numbers are the same floating-point number
BLANKS = "\t\n\x0b\x0c\r\x1c\x1d\x1e\x1f \x85\xa0\u1680" + "".join(map(chr, range(0x2000, 0x200B))) + (
    "\u2028\u2029\u202f\u205f\u3000"
)  # fmt: skip
# Texts that stand for "no value" in exports of databases, spreadsheets, pandas and JavaScript; case does not count.
NULL_WORDS = frozenset({
    "null", "(null)", "[null]", "<null>", "\\n", "nil", "<nil>", "none", "<none>", "(none)", "nan", "-nan", "nat",
    "<nat>", "na", "<na>", "n/a", "n.a.", "#n/a", "#na", "#null!", "#value!", "#ref!", "#name?", "#num!", "#div/0!",
    "undefined", "[object object]", "-", "--", "\u2013", "\u2014", "''", '""', "00000000-0000-0000-0000-000000000000",
})  # fmt: skip
PLAIN = r"^[!-~](?:[ -~]*[!-~])?$"  # ASCII without blanks around it: in NFC and stripped
INTEGRAL = r"^-?(?:0|[1-9][0-9]*)\.0$"  # a whole number that was written as a floating-point number
ENTITY = r"&(?:#[0-9]+|#[xX][0-9a-fA-F]+|[A-Za-z][A-Za-z0-9]*);"


class IdRule(NamedTuple):
    """What an id must not contain, as a pattern that Python's re and DuckDB's RE2 read alike."""

    name: str
    pattern: str


RULES = (
    IdRule("control character", "[\\x00-\\x1f\\x7f-\\x9f\u2028\u2029]"),
    IdRule("zero-width character", "[\u200b-\u200d\u2060]"),
    IdRule("character of text direction", "[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]"),
    IdRule("byte order mark", "\ufeff"),
    IdRule("soft hyphen", "\xad"),
    IdRule(
        "invisible character",
        "[\u034f\u115f\u1160\u17b4\u17b5\u180e\u2061-\u2065\u206a-\u206f\u3164\uffa0\ufff9-\ufffb\U000e0000-\U000e007f]",
    ),
    IdRule("replacement character: bytes were lost when the text was decoded", "\ufffd"),
    IdRule(
        "number in scientific notation: digits are lost, export the column as text",
        r"^[+-]?(?:[0-9]+[eE]\+[0-9]+|(?:[0-9]+[.,][0-9]*|[.,][0-9]+)[eE][+-]?[0-9]+)$",
    ),
    # `cleaned` removes the ".0" of a number that is exact
    IdRule("floating-point number above 2^53: digits are lost, export the column as text", INTEGRAL),
    IdRule("HTML entity: decode it with an expression in `columns`, as in replace(sku, '&amp;', '&')", ENTITY),
    IdRule("boolean: map the column that holds the id", "^(?:[Tt]rue|TRUE|[Ff]alse|FALSE)$"),
    IdRule("list or record: write an expression in `columns` that selects one value", "^(?:\\[[\"'\\[{]|\\{[\"'])"),
)
SUSPECT = "|".join(f"(?:{rule.pattern})" for rule in RULES)  # breaks at least one rule

shop_null_ids: ContextVar[frozenset[str]] = ContextVar("shop_null_ids", default=frozenset())
"""data.null_ids of the shop whose request is being read, in lower case."""

_plain, _integral, _suspect = re.compile(PLAIN), re.compile(INTEGRAL), re.compile(SUSPECT)


def words_for_null(null_ids: Collection[str]) -> frozenset[str]:
    """Return the texts that stand for no id, in lower case: NULL_WORDS and the shop's own."""
    return NULL_WORDS | {word.lower() for word in null_ids}


def clean(text: str) -> str:
    """Return the text as an id: without blanks around it, in NFC, "17850.0" as "17850" where the number is exact."""
    if not _plain.fullmatch(text):
        text = unicodedata.normalize("NFC", text.strip(BLANKS))
    return text[:-2] if text.endswith(".0") and _integral.fullmatch(text) and _is_exact(text[:-2].lstrip("-")) else text


def broken_rule(text: str) -> str | None:
    """Return the name of the first rule that a cleaned id breaks, or None."""
    if len(text) > MAX_LENGTH:
        return f"longer than {MAX_LENGTH} characters"
    if not _suspect.search(text):
        return None
    return next(rule.name for rule in RULES if re.search(rule.pattern, text))


def parse_optional(text: str) -> str | None:
    """Return the id, or None where the text is blank or stands for no value; raises ValueError for a broken rule."""
    found = text if text.isascii() and text.isalnum() else clean(text)
    if not found or found.lower() in NULL_WORDS or found.lower() in shop_null_ids.get():
        return None
    if not found.isascii() and any("\ud800" <= c <= "\udfff" for c in found):  # no file of ingest can hold one
        raise ValueError("not an id: lone surrogate")
    if (rule := broken_rule(found)) is not None:
        raise ValueError(f"not an id: {rule}")
    return found


def parse(text: str) -> str:
    """Return the id; raises ValueError where the text is blank, stands for no value, or breaks a rule."""
    found = parse_optional(text)
    if found is None:
        raise ValueError("not an id: it is blank, or a word that stands for no value, such as NULL or nan")
    return found


def _is_exact(digits: str) -> bool:
    return len(digits) < len(MAX_EXACT) or (len(digits) == len(MAX_EXACT) and digits <= MAX_EXACT)
