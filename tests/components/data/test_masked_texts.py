"""Personal data in texts: masked in snapshot and quarantine before anything reads them, and counted."""

import json
import logging
from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from components import params
from components.data.snapshot import take_snapshot
from tests.components.data.support import HEADER, PRODUCTS, Ingested, good, write

MAIL, PHONE, CARD = "john.smith@example.com", "13812345678", "4111 1111 1111 1111"
REVIEWS = (
    "user_id,item_id,timestamp,rating,text\n"
    f"u1,i1,2026-01-01,5,write to {MAIL} or {PHONE}\n"
    f"u2,i1,2026-01-02,4,{MAIL}\n"
    f"u2,i1,2026-01-02,4,{MAIL}\n"  # a duplicate
    f"u3,i1,2026-01-03,9,call {PHONE}\n"  # invalid: a rating of 9
    f"u4,unknown,2026-01-03,3,paid with {CARD}\n"
    "u5,i1,2026-01-04,5,fine\n"
)
SEARCHES = f"user_id,timestamp,query\nu1,2026-01-01,{MAIL}\nu2,2026-01-01,13900000000 ml tea\n"
SOURCES = {name: [{"path": f"in/{name}.csv"}] for name in ("products", "events", "reviews", "searches")}


def shop(**products: str) -> dict[str, bytes]:
    rows = "".join(f"{item},{title}\n" for item, title in products.items())
    return {
        "in/products.csv": PRODUCTS if not products else f"item_id,title\n{rows}".encode(),
        "in/events.csv": HEADER + good(),
        "in/reviews.csv": REVIEWS.encode(),
        "in/searches.csv": SEARCHES.encode(),
    }


def test_no_secret_is_in_any_file_or_log(ingest: Callable[..., Ingested], caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    taken = ingest(shop(), sources=SOURCES, max_unknown_share=1.0)
    assert [row["text"] for row in taken.rows("reviews")] == ["write to [email] or [phone]", "[email]", "fine"]
    assert [row["query"] for row in taken.rows("searches")] == ["[email]", "13900000000 ml tea"]
    files = [*taken.snapshot.rglob("*.parquet"), *(taken.snapshot.parent / "quarantine").rglob("*.parquet")]
    stored = json.dumps([pq.read_table(file).to_pylist() for file in files], default=str)
    for secret in (MAIL, PHONE, CARD, CARD.replace(" ", "")):
        assert secret not in stored + caplog.text
    assert "paid with [card]" in stored
    assert "masked: email in 2, phone in 1 valid rows" in caplog.text


def test_masked_rows_are_counted_by_kind_and_outcome(ingest: Callable[..., Ingested]) -> None:
    quality = ingest(shop(), sources=SOURCES, max_unknown_share=1.0).quality["reviews"]
    masked = {kind: (n.valid, n.quarantined) for kind, n in quality.masked.items()}
    assert masked == {"card": (0, 1), "email": (2, 1), "phone": (1, 1)}
    counts = quality.counts
    assert counts.read == counts.valid + counts.quarantined + counts.duplicates == 6
    assert all(n.valid <= counts.valid for n in quality.masked.values())
    assert all(n.quarantined <= counts.quarantined + counts.duplicates for n in quality.masked.values())


def test_ids_and_prices_are_left_alone(ingest: Callable[..., Ingested]) -> None:
    taken = ingest(shop(i1="Tea", **{PHONE: f"Cup {MAIL}"}), sources=SOURCES, max_unknown_share=1.0)
    assert {row["item_id"]: row["title"] for row in taken.rows("products")} == {PHONE: "Cup [email]", "i1": "Tea"}


def test_a_secret_at_the_end_of_a_long_text_is_not_cut_in_half(ingest: Callable[..., Ingested]) -> None:
    taken = ingest(shop(i1=f"{'x' * 40} {MAIL} more"), sources=SOURCES, max_unknown_share=1.0, max_text_chars=50)
    assert taken.rows("products")[0]["title"] == f"{'x' * 40} [email] m"


@pytest.mark.parametrize("kinds", [[], ["card"]])
def test_kinds_that_are_not_chosen_stay(
    tmp_path: Path, settings: Callable[..., params.Params], kinds: list[str]
) -> None:
    write(tmp_path, shop())
    (tmp_path / "data/snapshot").mkdir(parents=True)
    chosen = settings(sections={"privacy": {"mask": kinds}}, sources=SOURCES, max_unknown_share=1.0)
    folders = (tmp_path / "data/snapshot", tmp_path / "data/quarantine")
    quality = take_snapshot(chosen.data, tmp_path, *folders, privacy=chosen.privacy)
    assert set(quality["reviews"].masked) == set(kinds)
    assert MAIL in str(pq.read_table(tmp_path / "data/snapshot/reviews").to_pylist())
