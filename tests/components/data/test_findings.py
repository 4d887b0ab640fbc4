"""What ingest reports although no row breaks a rule."""

from collections.abc import Callable

import pytest

from tests.components.data.support import HEADER, Ingested

Ingest = Callable[..., Ingested]


def events(guest: str, n_guest: int, n_others: int = 60, item: str = "i1") -> bytes:
    users = [guest] * n_guest + [f"u{n % 6}" for n in range(n_others)]
    rows = [f"{user},{item},2026-01-{n % 28 + 1:02d} 10:{n // 28:02d}:00,view,1,2\n" for n, user in enumerate(users)]
    return HEADER + "".join(rows).encode()


@pytest.mark.parametrize("word", ["NULL", "\\N", "undefined", "nan", " None "])
def test_a_word_for_no_user_is_missing_and_said(ingest: Ingest, word: str) -> None:
    taken = ingest({"in/events.csv": events(word, 30)})
    assert taken.rules["events"] == {f'user_id: missing ("{word.strip()}" stands for no value)': 30}
    kept = ingest({"in/events.csv": events(word, 30)}, anonymous_events=True)
    assert (kept.counts().valid, sum(row["user_id"] is None for row in kept.rows())) == (90, 30)
    assert kept.quality["events"].findings[0] == f'user_id: "{word.strip()}" was read as no value in 30 rows'


def test_a_user_with_an_odd_share_is_reported_without_the_id(ingest: Ingest) -> None:
    findings = ingest({"in/events.csv": events("jane@shop.example", 30)}).quality["events"].findings
    assert findings[0].startswith("user_id: one value has 30 of 90 events (33.3%), 3.0 times as many as the next one")
    assert "jane" not in "".join(findings)
    assert "('0') has 30 of 90" in ingest({"in/events.csv": events("0", 30)}).quality["events"].findings[0]


def test_the_shop_can_say_that_0_is_no_user(ingest: Ingest) -> None:
    taken = ingest({"in/events.csv": events("0", 30)}, null_ids=["0"])
    assert taken.rules["events"] == {'user_id: missing ("0" stands for no value)': 30}
    assert (taken.counts().valid, taken.quality["events"].findings) == (60, [])


@pytest.mark.parametrize(("n_guest", "n_others"), [(12, 60), (20, 20)])
def test_an_even_shop_and_a_tiny_shop_are_not_reported(ingest: Ingest, n_guest: int, n_others: int) -> None:
    assert ingest({"in/events.csv": events("u9", n_guest, n_others)}).quality["events"].findings == []
