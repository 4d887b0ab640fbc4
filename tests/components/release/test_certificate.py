"""The certificate says what was searched and found, and holds no id."""

from datetime import UTC, datetime
from pathlib import Path

from components.release.certificate import Certificate
from components.release.traces import SearchResult

SEARCHED = SearchResult(name="DVC cache", n_files=3, n_bytes=120, found=())


def make(result: SearchResult) -> Certificate:
    return Certificate(
        at=datetime(2026, 3, 1, 12, tzinfo=UTC),
        n_users=2,
        tombstones=("a1", "b2"),
        service_events=7,
        rows={"events": 5, "reviews": 1},
        snapshots={"old.dir": "new.dir"},
        n_objects=4,
        n_outputs=3,
        files={"spring.csv": 2},
        searched=(result,),
        version=4,
        waiting=None,
        notes=("data.sources: not changed",),
    )


def test_what_still_holds_an_id_is_named() -> None:
    assert make(SEARCHED).is_empty
    assert "Not complete" not in make(SEARCHED).describe()
    found = make(SEARCHED.model_copy(update={"found": ("a/b.parquet",)}))
    assert not found.is_empty
    assert "| DVC cache | 3 | 120 | a/b.parquet |" in found.describe()
    assert "**Not complete**" in found.describe()


def test_both_files_are_written_and_the_record_is_read_again(tmp_path: Path) -> None:
    text = make(SEARCHED).write(tmp_path)
    assert "5 of events, 1 of reviews" in text.read_text()
    assert "| DVC cache | 3 | 120 | nothing |" in text.read_text()
    content = text.with_suffix(".json").read_bytes()
    assert Certificate.model_validate_json(content) == make(SEARCHED)
