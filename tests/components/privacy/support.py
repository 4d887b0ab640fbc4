"""Shared by the tests of finders."""

from collections.abc import Callable, Iterator

from components.privacy.context import Span, to_ascii


def parts_of(find: Callable[[str], Iterator[Span]], text: str) -> list[str]:
    """Return the parts that a finder finds, in order, without those that lie in another."""
    spans = sorted(set(find(to_ascii(text))))
    outer = [s for s in spans if not any(o != s and o.start <= s.start and s.end <= o.end for o in spans)]
    return [text[span.start : span.end] for span in outer]
