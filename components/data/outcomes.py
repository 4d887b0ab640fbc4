"""Counts of a staged table: rows and records by outcome, masked texts, broken rules, records of each file."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from itertools import count
from typing import NamedTuple, TypeVar

from components.data.quality import BrokenRule, Counts, MaskedRows
from components.data.records import EMPTY, FORGOTTEN, NO_CONSENT
from components.data.sources import SourceReport
from components.data.validation import AFTER_AS_OF, DUPLICATE, FILTERED, INVALID, SUPERSEDED, VALID

K = TypeVar("K", bound=Hashable)


class RowOutcome(NamedTuple):
    """How many rows of staged_<table> have the same values of these columns."""

    file: int
    state: int
    rule: str | None
    note: str | None
    masked: str | None  # kinds of personal data, joined by commas
    leads: bool
    n: int
    first_row: int | None  # number in the file, of rows that broke a rule


@dataclass(frozen=True)
class RowOutcomes:
    """The outcomes of a table: as many as its files, rules and kinds of words allow, not as it has rows."""

    rows: Sequence[RowOutcome]
    files: Sequence[str]
    reports: Sequence[SourceReport]
    unnested_files: frozenset[int] = frozenset()  # files of which a record may give several rows, or none
    n_unnested: int = 0  # records of these files

    @property
    def has_quarantined(self) -> bool:
        """Return whether a row is invalid or a duplicate."""
        return any(row.state in (INVALID, DUPLICATE) for row in self.rows)

    def count_rows(self) -> Counts:
        """Return the number of rows by outcome; a record that gives no row counts as one."""
        n = self._sum_by(lambda row: row.state)
        return _counts(n.total(), n)

    def count_records(self) -> Counts:
        """Return the number of records, each by the first of its rows' outcomes.

        `read` is counted before lists are unnested, the outcomes after it.
        """
        n = self._sum_by(lambda row: row.state if row.leads else None)
        others = self._sum_by(lambda row: row.file if row.leads and row.file not in self.unnested_files else None)
        return _counts(others.total() + self.n_unnested, n)

    def count_masked(self) -> dict[str, MaskedRows]:
        """Return, by kind of personal data, in how many rows it was masked, by the rows' outcome."""
        n: dict[str, Counter[int]] = defaultdict(Counter)
        for row in self.rows:
            for kind in set(row.masked.split(",")) if row.masked is not None else ():
                n[kind][row.state] += row.n
        return {
            kind: MaskedRows(valid=n[kind][VALID], quarantined=n[kind][INVALID] + n[kind][DUPLICATE])
            for kind in sorted(n)
        }

    def count_notes(self) -> list[tuple[str, int]]:
        """Return the notes of valid rows with the number of rows, the most frequent first."""
        n = self._sum_by(lambda row: row.note if row.state == VALID else None)
        return sorted(n.items(), key=lambda pair: (-pair[1], pair[0]))

    def count_broken_rules(self) -> list[BrokenRule]:
        """Return the number of rows that broke each rule in each file, the most frequent first."""
        same: dict[tuple[str, int], list[RowOutcome]] = defaultdict(list)
        for row in self.rows:
            if row.rule is not None and row.state in (INVALID, DUPLICATE):
                same[row.rule, row.file].append(row)
        found = [
            BrokenRule(
                rule,
                self.files[file],
                sum(row.n for row in rows),
                sum(row.n for row in rows if row.leads),
                min(row.first_row or 0 for row in rows),
            )
            for (rule, file), rows in same.items()
        ]
        return sorted(found, key=lambda broken: (-broken.n_rows, broken.rule, broken.file))

    def report_sources(self) -> list[SourceReport]:
        """Return what was found at each source, with the number of records of each file."""
        n, numbers = self._sum_by(lambda row: row.file if row.leads else None), count()
        return [
            report.model_copy(
                update={"files": [file.model_copy(update={"records": n[next(numbers)]}) for file in report.files]}
            )
            for report in self.reports
        ]

    def _sum_by(self, key: Callable[[RowOutcome], K | None]) -> Counter[K]:
        """Return the number of rows by a key; outcomes whose key is None are left out."""
        n: Counter[K] = Counter()
        for row in self.rows:
            value = key(row)
            if value is not None:
                n[value] += row.n
        return n


def _counts(read: int, n: Counter[int]) -> Counts:
    return Counts(
        read=read,
        valid=n[VALID],
        quarantined=n[INVALID],
        duplicates=n[DUPLICATE],
        after_as_of=n[AFTER_AS_OF],
        filtered=n[FILTERED],
        superseded=n[SUPERSEDED],
        empty=n[EMPTY],
        forgotten=n[FORGOTTEN],
        no_consent=n[NO_CONSENT],
    )
