"""Times of shop platforms are read as the moment that they mean; a text that could mean two is refused."""

from datetime import datetime

import ibis
import pytest

from components.data import timestamps

READ = {
    "2026-01-02 10:15:27 -0500": "2026-01-02 15:15:27", "2026-01-02T10:15:27 +05:30": "2026-01-02 04:45:27",
    "2026-01-02 10:15:27-05": "2026-01-02 15:15:27", "2026-01-02 10:15 +0100": "2026-01-02 09:15",
    "2026-01-02 10:15:27 UTC": "2026-01-02 10:15:27", "2026-01-02T10:15:27.5Z": "2026-01-02 10:15:27.5",
    "2026-07-01 09:30 Europe/London": "2026-07-01 08:30", "2026-01-01 09:30:00 America/New_York": "2026-01-01 14:30",
    "2026-07-01T09:30+01:00[Europe/London]": "2026-07-01 08:30", "2026-07-01T09:30[Europe/London]": "2026-07-01 08:30",
    "Fri, 02 Jan 2026 10:15:27 -0500": "2026-01-02 15:15:27", "Fri, 2 Jan 2026 10:15:27 GMT": "2026-01-02 10:15:27",
    "2 Jan 2026 10:15 +0100": "2026-01-02 09:15",
    "Fri Jan 02 2026 10:15:27 GMT-0500 (Eastern Standard Time)": "2026-01-02 15:15:27",
    "20260102T101527Z": "2026-01-02 10:15:27", "20260102": "2026-01-02", "2026/01/02": "2026-01-02",
    "2026-1-2 9:05": "2026-01-02 09:05", "2026-01-02 10:15:27,250": "2026-01-02 10:15:27.25",
    "1767348927": "2026-01-02 10:15:27", "1767348927.5": "2026-01-02 10:15:27.5",
    "1767348927000": "2026-01-02 10:15:27",
    "1767348927000000": "2026-01-02 10:15:27", "1767348927000000000": "2026-01-02 10:15:27",
}  # fmt: skip
ZONES = ["2025-07-01 09:30:00 BST", "2025-07-01 09:30 CST", "2025-07-01T09:30:00IST", "2025-07-01 09:30:00 EDT",
         "2025-07-01 09:30:00 (BST)", "Fri, 02 Jan 2026 10:15:27 EST", "2026-07-01 10:00 EST5EDT"]  # fmt: skip
DAYS = ["02/03/2026", "2/3/26 10:15", "25.12.2026", "02-03-2026 10:15:00"]
OTHERS = ["never", "2026-02-30", "46024.4", "7", "2026-01-02 10:15:27 AM", "2026-01-02 10:15:27 +25:00",
          "2026-01-02 10:15 Mars/Olympus", "17673489270"]  # fmt: skip


def read(*texts: str) -> list[tuple[datetime | None, str]]:
    backend = ibis.duckdb.connect()
    backend.raw_sql("SET TimeZone = 'UTC'")
    rows = ibis.memtable({"n": range(len(texts)), "text": texts})
    rows = rows.mutate(at=timestamps.parsed(rows.text), why=timestamps.problem(rows.text)).order_by("n")
    return [(row["at"], row["why"]) for row in backend.to_pyarrow(rows).to_pylist()]


def test_notations_of_platforms_are_the_moment_that_they_mean() -> None:
    found = read(*READ)
    assert {text: at for text, (at, _) in zip(READ, found, strict=True)} == {
        text: datetime.fromisoformat(wanted) for text, wanted in READ.items()
    }


@pytest.mark.parametrize(
    ("texts", "reason"),
    [(ZONES, timestamps.AMBIGUOUS_ZONE), (DAYS, timestamps.AMBIGUOUS_DAY), (OTHERS, "not a timestamp")],
)
def test_what_is_no_single_moment_is_refused_with_the_reason(texts: list[str], reason: str) -> None:
    assert dict(zip(texts, read(*texts), strict=True)) == dict.fromkeys(texts, (None, reason))


def test_numbers_are_read_by_their_size() -> None:
    backend = ibis.duckdb.connect()
    rows = ibis.memtable({"n": [1767348927.0, 1767348927250.0, 1767348927000001.0, 46024.4, float("nan")]})
    found = backend.to_pyarrow(rows.select(at=timestamps.from_number(rows.n)))["at"].to_pylist()
    assert [at and at.microsecond for at in found] == [0, 250_000, 1, None, None]
    assert {at.replace(microsecond=0) for at in found if at} == {datetime(2026, 1, 2, 10, 15, 27)}
