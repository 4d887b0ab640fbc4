"""Parquet is read and written with page checksums; DuckDB, which ignores them, reads what was hashed before."""

import ast
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCES = subprocess.run(
    ["git", "ls-files", "components/*.py", "flows/*.py"], cwd=ROOT, capture_output=True, text=True, check=True
).stdout.split()
READS = {"read_table", "ParquetFile", "ParquetDataset", "read_pandas"}
WRITES = {"write_table", "ParquetWriter", "write_to_dataset"}
# Modules in which DuckDB or Ibis reads Parquet, and who has compared the bytes with a digest before.
DUCKDB = {
    "components/applications/marketing/activity.py": "data/snapshot, by the stage",
    "components/applications/advice/trial.py": "a snapshot that it has just written into a temporary folder",
    "components/backtest/cuts.py": "data/snapshot, by the flow backtest",
    "components/applications/ads/inputs.py": "data/snapshot, by the stage",
    "components/data/flat_files.py": "a shop's own files, which are checked row by row",
    "components/data/selects.py": "a shop's own files: their checks are the rules of `ingest`",
    "components/data/sql.py": "a shop's own files: their checks are the rules of `ingest`",
    "components/data/parts.py": "a shop's own files: their checks are the rules of `ingest`",
    "components/data/units.py": "files that a task of the same ingest has just written, into a temporary folder",
    "components/data/distribution.py": "files that its tasks have just written, into a temporary folder",
    "components/data/split.py": "data/snapshot, by the stage",
    "components/experiments/outcomes.py": "exposures of the service, which no bundle is made from",
    "components/monitoring/aggregates.py": "data/snapshot and the champion, by the stage",
    "components/profiles/storage.py": "data/snapshot, data/split and features, by the stage",
    "components/ranking/examples.py": "data/snapshot and data/split, by the stage",
    "components/ranking/user_text.py": "data/snapshot and data/split, by the stage",
    "components/search/clicks.py": "data/snapshot, by the stage",
    "components/serving/storage/import_snapshot.py": "data/snapshot, read into the event store on request",
}


def calls(name: str) -> list[ast.Call]:
    return [n for n in ast.walk(ast.parse((ROOT / name).read_text(encoding="utf-8"))) if isinstance(n, ast.Call)]


def unchecked(name: str) -> list[str]:
    found = []
    for call in calls(name):
        attribute = call.func.attr if isinstance(call.func, ast.Attribute) else ""
        is_parquet = isinstance(call.func, ast.Attribute) and ast.unparse(call.func.value) in ("pq", "pyarrow.parquet")
        wanted = {"page_checksum_verification"} if attribute in READS else {"write_page_checksum"}
        if is_parquet and attribute in READS | WRITES and not wanted <= {keyword.arg for keyword in call.keywords}:
            found.append(f"{name}:{call.lineno}: without {wanted}")
    return found


def test_pyarrow_checks_and_writes_page_checksums(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert [found for name in SOURCES for found in unchecked(name)] == []
    monkeypatch.setattr(f"{__name__}.ROOT", tmp_path)
    (tmp_path / "wrong.py").write_text(
        "pq.read_table(path)\npyarrow.parquet.write_table(table, path)\nrows.read_table()\n"
    )
    assert [line.partition(": ")[0] for line in unchecked("wrong.py")] == ["wrong.py:1", "wrong.py:2"]


def test_duckdb_reads_parquet_only_where_the_bytes_were_compared_before() -> None:
    found = {name for name in SOURCES if "read_parquet(" in (ROOT / name).read_text(encoding="utf-8")}
    assert found <= set(DUCKDB), f"compare the bytes with a digest first, then add: {sorted(found - set(DUCKDB))}"
