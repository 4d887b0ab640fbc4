"""Every line of a broken file is part of exactly one record or broken line."""

import random
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from components.data import csv_repair
from components.data.csv_repair import read_csv_records, repair
from components.data.headers import Header
from components.data.lines import File


def records(tmp_path: Path, text: str, n_columns: int = 2) -> list[tuple[list[str | None] | None, str | None]]:
    (tmp_path / "a.csv").write_text("h1,h2\n" + text, newline="")
    header = Header(tuple(f"h{n}" for n in range(n_columns)), ",", 0, 1)
    found = read_csv_records(File(tmp_path / "a.csv", "a.csv"), header)
    return [(list(r.values) if r.values is not None else None, r.broken) for r in found]


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("1,2\n", [(["1", "2"], None)]),
        ("1,\n", [(["1", None], None)]),
        ('1,"a, b"\n', [(["1", "a, b"], None)]),
        ('1,"a\nb"\n2,c\n', [(["1", "a\nb"], None), (["2", "c"], None)]),
        ('1,5" tall\n', [(["1", '5" tall'], None)]),
        ("1\n2,b\n", [(None, "line: missing columns"), (["2", "b"], None)]),
        ("1,2,3\n", [(None, "line: too many columns")]),
        ("1,2,\n", [(["1", "2"], None)]),
        ('1,"a\n2,b\n3,c\n', [(None, "line: unclosed quote"), (["2", "b"], None), (["3", "c"], None)]),
        ('1,"a"b\n2,c\n', [(None, "line: quote inside a quoted value"), (["2", "c"], None)]),
        ('1,"a\n2,"b\n3,c\n', [(None, "line: unclosed quote"), (None, "line: unclosed quote"), (["3", "c"], None)]),
    ],
)
def test_csv_records_and_broken_lines(
    tmp_path: Path, text: str, wanted: list[tuple[list[str | None] | None, str | None]]
) -> None:
    assert records(tmp_path, text) == wanted


def test_a_quoted_value_spans_a_bounded_number_of_lines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(csv_repair, "MAX_RECORD", 3)
    found = records(tmp_path, '1,"a\n' + "2,b\n" * 5 + '3,"c"\n')
    assert [r[1] for r in found] == ["line: unclosed quote", *[None] * 6]


def test_no_line_of_random_text_is_lost(tmp_path: Path) -> None:
    """Each line of random text has a unique marker, and each marker is in exactly one record."""
    rng = random.Random(7)
    for _ in range(30):
        text = [f"<{n}>" + "".join(rng.choice('",ab ') for _ in range(rng.randrange(8))) for n in range(40)]
        (tmp_path / "a.csv").write_text("h1,h2\n" + "\n".join(text) + "\n")
        found = list(read_csv_records(File(tmp_path / "a.csv", "a.csv"), Header(("h1", "h2"), ",", 0, 1)))
        text = "|".join((r.line or "") + "".join(v or "" for v in r.values or []) for r in found)
        assert [text.count(f"<{n}>") for n in range(40)] == [1] * 40


def test_a_repaired_file_numbers_its_records(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(csv_repair, "BATCH", 2)
    (tmp_path / "a.csv").write_bytes(b"x,y\n1,2\n\n\xff,2\n3\n4,5\n")
    rows = pq.read_table(
        repair(
            File(tmp_path / "a.csv", "a.csv"), ["x", "y"], Header(("x", "y"), ",", 0, 1), "_", tmp_path / "m/a.parquet"
        )
    ).to_pylist()
    assert [(r["_row"], r["x"], r["_broken"]) for r in rows] == [
        (1, "1", None), (2, None, "line: not UTF-8"), (3, None, "line: missing columns"), (4, "4", None),
    ]  # fmt: skip
    assert [r["_line"] for r in rows] == [None, "\ufffd,2", "3", None]
