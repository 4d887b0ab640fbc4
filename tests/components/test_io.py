"""Writes are atomic, also with concurrent writers; records and digests are exact."""

import json
import os
import subprocess
import sys
import threading
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest

from components import compat, io
from components.contracts import ChampionRef
from components.errors import ContractError

REF = ChampionRef(version=3, digest="abc", model="hybrid")
WRITER = """
import sys
from pathlib import Path
from components import io
for n in range(200):
    io.write_text(Path(sys.argv[1]), sys.argv[2] * 5000)
"""


def test_a_file_is_written_with_its_folder_and_replaced(tmp_path: Path) -> None:
    path = tmp_path / "deep/er/x.txt"
    io.write_text(path, "one é\n")
    io.write_bytes(path, "two é\n".encode())
    assert path.read_bytes() == "two é\n".encode()
    assert [p.name for p in path.parent.iterdir()] == ["x.txt"]


def test_a_write_that_fails_leaves_the_earlier_file_and_no_temporary_one(tmp_path: Path) -> None:
    path = tmp_path / "x.txt"
    io.write_text(path, "good")

    def fail() -> None:
        with io.atomic_file(path) as temporary:
            temporary.write_text("half")
            raise OSError("no space")

    with pytest.raises(OSError, match="no space"):
        fail()
    assert path.read_text() == "good"
    assert list(tmp_path.iterdir()) == [path]


def test_two_threads_never_share_a_temporary_name(tmp_path: Path) -> None:
    """Both write at the same time; the later rename wins, and neither fails."""
    path, both_inside, errors = tmp_path / "x.txt", threading.Barrier(2, timeout=30), []

    def write(text: str) -> None:
        try:
            with io.atomic_file(path) as temporary:
                temporary.write_text(text)
                both_inside.wait()
                assert temporary.read_text() == text
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=write, args=(text,)) for text in ("a", "b")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert path.read_text() in ("a", "b")
    assert list(tmp_path.iterdir()) == [path]


def test_two_processes_write_the_same_file_and_a_reader_sees_it_whole(tmp_path: Path) -> None:
    path = tmp_path / "x.txt"
    io.write_text(path, "a" * 5000)
    root = Path(__file__).parents[2]
    writers = [
        subprocess.Popen([sys.executable, "-c", WRITER, str(path), letter], cwd=root, env={**os.environ})
        for letter in ("a", "b")
    ]
    seen = set()
    while any(writer.poll() is None for writer in writers):
        seen.add(path.read_text())
    assert [writer.returncode for writer in writers] == [0, 0]
    assert seen <= {"a" * 5000, "b" * 5000}
    assert list(tmp_path.iterdir()) == [path]


def test_leftovers_of_a_killed_process_are_removed_by_the_next_write(tmp_path: Path) -> None:
    path = tmp_path / "x.txt"
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    mine = io._temporary_path(path)
    left = mine.with_name(mine.name.replace(f"-{os.getpid()}-", f"-{dead.pid}-"))
    left.write_text("half")
    mine.write_text("of a thread of this process, still writing")
    with io.atomic_file(path, remove_leftovers=False) as temporary:
        temporary.write_text("whole")
    assert sorted(tmp_path.iterdir()) == sorted([path, mine, left])
    io.write_text(path, "whole")
    assert sorted(tmp_path.iterdir()) == sorted([path, mine])


def test_a_temporary_folder_is_renamed_into_place_and_removed(tmp_path: Path) -> None:
    path = tmp_path / "bundle"
    with io.temporary_folder(path) as folder:
        (folder / "inner").mkdir()
        (folder / "inner/x").write_text("1")
        (folder / "inner").replace(path)
    assert [p.relative_to(tmp_path).as_posix() for p in sorted(tmp_path.rglob("*"))] == ["bundle", "bundle/x"]


def test_json_is_written_with_the_options_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    io.write_json(path, {"b": "é", "a": 1})
    assert path.read_bytes() == b'{\n "b": "\\u00e9",\n "a": 1\n}\n'
    io.write_json(path, {"b": "é", "a": 1}, sort_keys=True, ensure_ascii=False)
    assert path.read_bytes() == '{\n "a": 1,\n "b": "é"\n}\n'.encode()
    with pytest.raises(ValueError, match="not JSON compliant"):
        io.write_json(path, {"a": float("nan")})
    io.write_json(path, {"a": float("nan")}, allow_nan=True)
    assert path.read_text() == '{\n "a": NaN\n}\n'


def test_a_record_is_read_as_written(tmp_path: Path) -> None:
    path = tmp_path / "champion.json"
    io.write_record(path, REF)
    assert path.read_bytes() == b'{\n "version": 3,\n "digest": "abc",\n "model": "hybrid"\n}\n'
    assert io.read_record(path, ChampionRef, "champion") == io.find_record(path, ChampionRef, "champion") == REF
    io.write_record(path, REF, indent=None)
    assert path.read_bytes() == b'{"version":3,"digest":"abc","model":"hybrid"}\n'
    io.write_record(path, None)
    assert path.read_bytes() == b"null\n"


def test_a_record_that_is_missing_or_damaged_is_named_with_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / "champion.json"
    assert io.find_record(path, ChampionRef, "champion") is None
    with pytest.raises(ContractError, match=r"champion\.json: not there, expected a ChampionRef in JSON; run `x`"):
        io.read_record(path, ChampionRef, "champion", "run `x`")
    for damaged in ("{", "null", "[]", '{"version": 3}', '{"version": 3, "digest": "", "model": "", "more": 1}'):
        path.write_text(damaged)
        with pytest.raises(ContractError, match=r"(?s)champion\.json: expected a ChampionRef in JSON .*; run `x`"):
            io.find_record(path, ChampionRef, "champion", "run `x`")
    with pytest.raises(ContractError, match="cannot be read"):
        io.find_record(tmp_path, ChampionRef, "champion")


def test_a_record_of_an_earlier_version_is_read_under_its_old_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(compat.RENAMED_KEYS, "champion", {"recommender": "model"})
    path = tmp_path / "champion.json"
    path.write_text(json.dumps({"version": 3, "digest": "abc", "recommender": "hybrid"}))
    assert io.read_record(path, ChampionRef, "champion") == REF
    path.write_text(json.dumps({"version": 3, "digest": "abc", "model": "hybrid", "recommender": "other"}))
    with pytest.raises(ContractError, match="recommender"):
        io.read_record(path, ChampionRef, "champion")
    path.write_text("null")
    with pytest.raises(ContractError, match="expected a ChampionRef"):
        io.read_record(path, ChampionRef, "champion")


def test_digests_are_sha256_of_the_bytes(tmp_path: Path) -> None:
    content = b"x" * 3_000_001
    (tmp_path / "x").write_bytes(content)
    assert io.sha256_bytes(content) == io.sha256_file(tmp_path / "x") == sha256(content).hexdigest()


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b'{"version": "x", "digest": 1, "extra": 2, "another": 3}', "version: Input should be a valid integer"),
        (b'{"version": 3', "Invalid JSON"),
        (b"", "Invalid JSON"),
    ],
)
def test_a_wrong_record_is_one_line_without_links(content: bytes, problem: str) -> None:
    with pytest.raises(ContractError) as caught:
        io.parse_record(content, ChampionRef, "champion", "champion.json", "run it again")
    text = str(caught.value)
    assert text.startswith("champion.json: expected a ChampionRef in JSON (")
    assert problem in text
    assert text.endswith("; run it again")
    assert "\n" not in text
    assert "https://" not in text


def test_many_problems_are_counted() -> None:
    with pytest.raises(ContractError, match=r"; 2 more\)"):
        io.parse_record(b'{"a": 1, "b": 2}', ChampionRef, "champion", "champion.json")


def test_a_digest_of_arrays_depends_on_the_text_and_on_each_value() -> None:
    rows = np.arange(6.0).reshape(2, 3)
    digest = io.sha256_arrays("a", [rows, np.arange(3)])
    assert digest == io.sha256_arrays("a", [np.asfortranarray(rows), np.arange(3)])  # whatever the order in memory
    others = [io.sha256_arrays("b", [rows, np.arange(3)]), io.sha256_arrays("a", [rows + 1, np.arange(3)])]
    assert digest not in others
