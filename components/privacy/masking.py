"""Masking of personal data in a text."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator
from typing import NamedTuple

from components.params import PersonalData
from components.privacy.addresses import find_addresses
from components.privacy.candidates import GATES
from components.privacy.context import Span, to_ascii
from components.privacy.documents import find_cards, find_ibans, find_national_ids, find_passports
from components.privacy.emails import find_emails
from components.privacy.messengers import find_messengers
from components.privacy.phones import find_phones

FINDERS: dict[PersonalData, Callable[[str], Iterator[Span]]] = {  # where two overlap, the earlier one counts
    "email": find_emails,
    "iban": find_ibans,
    "card": find_cards,
    "national_id": find_national_ids,
    "passport": find_passports,
    "phone": find_phones,
    "messenger": find_messengers,
    "address": find_addresses,
}
_gates = {kind: re.compile(pattern) for kind, pattern in GATES.items()}


class Masked(NamedTuple):
    """A text without personal data."""

    text: str
    kinds: tuple[PersonalData, ...]  # of what was masked, in order; each mask counts


def mask(text: str, kinds: Collection[PersonalData], with_names: bool = True) -> Masked:
    """Return the text with personal data of these kinds replaced by "[email]" and the like, or by a blank.

    The same text gives the same result; a masked text is not changed again.
    """
    found = find(text, kinds)
    parts, end = [], 0
    for span, kind in found:
        parts += [text[end : span.start], f"[{kind}]" if with_names else " "]
        end = span.end
    return Masked("".join([*parts, text[end:]]), tuple(kind for _, kind in found))


def find(text: str, kinds: Collection[PersonalData]) -> list[tuple[Span, PersonalData]]:
    """Return the parts of the text that are personal data, in order, without overlaps."""
    ascii_text = to_ascii(text)
    found: list[tuple[Span, PersonalData]] = []
    for kind, finder in FINDERS.items():
        if kind in kinds and _gates[kind].search(text):
            for span in _union(finder(ascii_text)):
                if not any(span.start < other.end and other.start < span.end for other, _ in found):
                    found.append((span, kind))
    return sorted(found)


def _union(spans: Iterable[Span]) -> list[Span]:
    """Return the spans in order, those that overlap as one."""
    found: list[Span] = []
    for span in sorted(spans):
        if found and span.start < found[-1].end:
            found[-1] = Span(found[-1].start, max(found[-1].end, span.end))
        else:
            found.append(span)
    return found
