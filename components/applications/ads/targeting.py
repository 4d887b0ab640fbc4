"""Targeting expressions such as `tag:"Outdoor > Tents" and not segment:lapsed`: a text -> a test of a user's labels.

label    tag:NAME, segment:NAME; a name with blanks or parentheses stands in double quotes; case does not matter
join     and  or  not  ( )
""       every user, also one without labels
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache

from components.errors import ContractError

MAX_LENGTH, MAX_DEPTH = 1000, 20  # of an expression: characters, and parentheses inside parentheses
TOKEN = re.compile(r'\s*(?:(?P<sign>[()])|(?P<label>(?:tag|segment):(?:"[^"]+"|[^\s()"]+))|(?P<word>[^\s()]+))', re.I)
Labels = frozenset[str]  # of a user, lower case: "tag:outdoor", "segment:lapsed"
Test = Callable[[Labels], bool]


def label(kind: str, name: str) -> str:
    """Return the label of a tag or segment, as expressions compare it."""
    return f"{kind}:{' '.join(name.split()).casefold()}"


@lru_cache(maxsize=4096)
def parse_targeting(text: str) -> Test:
    """Return the test that the expression is; raises ContractError with the place of what is wrong."""
    if len(text) > MAX_LENGTH:
        raise ContractError(f"targeting: expected {MAX_LENGTH} characters or fewer, got {len(text)}")
    if not text.strip():
        return lambda labels: True
    parser = _Parser(text)
    test = parser.read_or(0)
    if parser.kind:
        raise parser.error("expected `and`, `or` or the end")
    return test


class _Parser:
    """Recursive descent: or, then and, then not, then a label or parentheses."""

    def __init__(self, text: str) -> None:
        self.text, self.at, self.end = text, 0, 0
        self.kind, self.value = "", ""
        self.advance()

    def advance(self) -> None:
        """Read the next token: kind "sign", "label", "word", or "" at the end."""
        self.at = self.end
        found = TOKEN.match(self.text, self.end)
        self.kind, self.value = (found.lastgroup or "", found[found.lastgroup or 0]) if found else ("", "")
        self.end = found.end() if found else len(self.text)

    def takes(self, word: str) -> bool:
        """Return whether the token is this word, and read on if it is."""
        if self.kind not in ("word", "sign") or self.value.lower() != word:
            return False
        self.advance()
        return True

    def read_or(self, depth: int) -> Test:
        parts = [self.read_and(depth)]
        while self.takes("or"):
            parts.append(self.read_and(depth))
        return parts[0] if len(parts) == 1 else lambda labels: any(part(labels) for part in parts)

    def read_and(self, depth: int) -> Test:
        parts = [self.read_not(depth)]
        while self.takes("and"):
            parts.append(self.read_not(depth))
        return parts[0] if len(parts) == 1 else lambda labels: all(part(labels) for part in parts)

    def read_not(self, depth: int) -> Test:
        if depth > MAX_DEPTH:
            raise self.error(f"expected at most {MAX_DEPTH} nested parts")
        if self.takes("not"):
            part = self.read_not(depth + 1)
            return lambda labels: not part(labels)
        if self.takes("("):
            inner = self.read_or(depth + 1)
            if not self.takes(")"):
                raise self.error("expected `)`")
            return inner
        if self.kind != "label":
            raise self.error('expected tag:NAME, segment:NAME, `not` or `(`; a name with blanks needs "quotes"')
        kind, _, name = self.value.partition(":")
        wanted = label(kind.lower(), name.strip('"'))
        self.advance()
        return lambda labels: wanted in labels

    def error(self, expected: str) -> ContractError:
        """Return the error that names the token and where it stands."""
        return ContractError(f"targeting: {expected}, got {self.value[:40] or 'the end'!r} at character {self.at + 1}")
