"""Stage `ingest`: sources -> snapshot (the tables of the contract as monthly Parquet partitions) and quarantine.

    data/snapshot/products/part-0.parquet                 one row per item, its latest version before as_of
    data/snapshot/events/month=2026-01/part-0.parquet     sorted by time, then by source order
    data/snapshot/snapshot.json                           SnapshotInfo
    data/quarantine/events.parquet                        quality.QUARANTINE

The bytes of a month depend on its rows alone, so DVC stores only the months that changed.
"""

from __future__ import annotations

import logging
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory

from pydantic import Field

from components.contracts import TABLES, Record
from components.data import distribution, findings, staging
from components.data.engines import TaskEngine
from components.data.outcomes import RowOutcomes
from components.data.quality import MAX_NAMED, BrokenRule, Counts, TableQuality, write_quarantine
from components.data.schemas import check_contract
from components.data.sources import describe_reports
from components.data.staged_rows import RowsInMemory, StagedRows
from components.errors import ContractError
from components.io import read_record, write_record
from components.params import DataParams, PrivacyParams
from components.tombstones import Forgotten

log = logging.getLogger("ingest")
PANDERA_ROWS = 100_000  # of each table that pandera validates; validation.py has checked all rows by the same rules


class SnapshotInfo(Record):
    """data/snapshot/snapshot.json."""

    as_of: str
    simulated: bool
    counts: dict[str, Counts]  # of records
    rows: dict[str, Counts] = Field(default={})  # of rows; earlier versions did not write them


def take_snapshot(
    data: DataParams,
    root: Path,
    snapshot: Path,
    quarantine: Path,
    forgotten: Forgotten | None = None,
    privacy: PrivacyParams = staging.DEFAULTS,
    engine: TaskEngine | None = None,
) -> dict[str, TableQuality]:
    """Read all sources as of data.as_of and write the snapshot; return what was read of each table.

    forgotten: users whose rows are counted and left out of both. engine: where the tables that grow with events are
    read; None: in this process. The files are the same.

    Raises ContractError for a source that cannot be read, QualityError when too many rows are bad or rows are lost;
    the quarantine is written before the error is raised.
    """
    taken: dict[str, TableQuality] = {}
    with TemporaryDirectory(prefix="ingest-", dir=_spill(snapshot)) as spill:
        staged = staging.connect(data, root, Path(spill), forgotten, privacy)
        for table in TABLES:
            log.info("%s: reading %d source(s)", table, len(data.of(table)))
            rows = _stage(engine, staged, table, data, Path(spill))
            broken = rows.outcomes.count_broken_rules()
            quality = _quality(rows.outcomes, broken)
            log.info("%s: %s%s", table, _describe(quality), describe_reports(quality.sources))
            write_quarantine(rows.quarantined(), quarantine / f"{table}.parquet")
            quality.counts.check(table, quality.rows, broken, data.max_bad_share, data.max_unknown_share)
            _check_not_empty(table, quality, data)
            quality = quality.model_copy(update={"findings": findings.find(staged, rows, table, data)})
            for finding in quality.findings:
                log.warning("%s: %s", table, finding)
            if quality.rows.valid:
                check_contract(rows.valid(PANDERA_ROWS), table, data.anonymous_events)
            rows.write(snapshot / table)
            taken[table] = quality
    info = SnapshotInfo(
        as_of=data.as_of.isoformat(),
        simulated=data.simulated,
        counts={table: quality.counts for table, quality in taken.items()},
        rows={table: quality.rows for table, quality in taken.items()},
    )
    write_record(snapshot / "snapshot.json", info)
    return taken


def _stage(engine: TaskEngine | None, staged: staging.Staging, table: str, data: DataParams, spill: Path) -> StagedRows:
    if engine is None or table == "products" or not data.of(table):
        staging.stage(staged, table, data, spill)
        return RowsInMemory(staged, table)
    return distribution.stage(engine, staged, table, data, spill)


def _quality(outcomes: RowOutcomes, broken: list[BrokenRule]) -> TableQuality:
    return TableQuality(
        counts=outcomes.count_records(),
        rows=outcomes.count_rows(),
        rules=dict(sorted(_by_rule(broken).items())),
        sources=outcomes.report_sources(),
        masked=outcomes.count_masked(),
    )


def _describe(quality: TableQuality) -> str:
    counts = ", ".join(f"{n} {k}" for k, n in quality.counts.model_dump().items() if n) or "none"
    rows = "" if quality.rows == quality.counts else f"; {quality.rows.valid} valid rows"
    masked = ", ".join(f"{kind} in {n.valid}" for kind, n in quality.masked.items() if n.valid)
    return f"{counts}{rows}{f'; masked: {masked} valid rows' if masked else ''}"


def read_snapshot_info(snapshot: Path) -> SnapshotInfo:
    """Return snapshot.json."""
    return read_record(snapshot / "snapshot.json", SnapshotInfo, "snapshot", "run the stage `ingest`")


def _check_not_empty(table: str, quality: TableQuality, data: DataParams) -> None:
    counts = quality.counts
    if table in ("products", "events") and not counts.valid:
        raise ContractError(
            f"data.sources.{table}: expected rows before data.as_of {data.as_of:%Y-%m-%d}, got none of {counts.read} "
            f"({counts.after_as_of} after as_of, {counts.filtered} excluded by `where`, {counts.quarantined} invalid, "
            f"{counts.empty} whose list is empty); "
            f"check data.as_of, `where` and data/quarantine{_most_broken(quality.rules)}"
        )


def _most_broken(rules: dict[str, int]) -> str:
    named = [f"{rule} ({n} rows)" for rule, n in sorted(rules.items(), key=lambda r: -r[1])[:MAX_NAMED]]
    return f"; the broken rules are {'; '.join(named)}" if named else ""


def _by_rule(broken: list[BrokenRule]) -> dict[str, int]:
    return dict(sum((Counter({b.rule: b.n_rows}) for b in broken), Counter[str]()))


def _spill(snapshot: Path) -> Path:
    """Return a folder on the disk of the snapshot that DVC does not track."""
    folder = snapshot.parent.parent / "run"
    folder.mkdir(parents=True, exist_ok=True)
    return folder
