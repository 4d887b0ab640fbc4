"""The exposure log on disk: many small files become one per day, old ones are removed, beside a running service.

The service only adds files. A merged file appears complete, and its sources go after it: a reader of the folder misses
no row; while files are exchanged it may see a row twice, unless it holds `exposures_lock`. A list of the sources is
written first, so that the next call ends what a killed one began.
"""

import json
import logging
import uuid
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

from components.faults import crash_point
from components.io import atomic_file, write_json
from components.private import restrict
from components.release.lock import exclusive_lock
from components.times import DAY_US, to_micros

log = logging.getLogger("serving")
LOCK_S = 120.0  # longest wait for another process that rewrites files
GROUP_ROWS = 100_000  # rows of a row group
SOURCES = "sources.json"


class Compaction(NamedTuple):
    """What `compact_exposures` did."""

    n_files: int  # that were merged or removed
    size: int  # bytes that the folder is smaller now; in a dry run: of the files that are too old


@contextmanager
def exposures_lock(folder: Path) -> Iterator[None]:
    """Keep other processes from rewriting or removing files of the log; new files still appear."""
    with exclusive_lock(folder / ".rewrite.lock", "rewriting the exposure log", LOCK_S):
        yield


def compact_exposures(folder: Path, days: float, now: datetime, dry_run: bool) -> Compaction:
    """Merge the files of each day (UTC) that is over, and remove those of days older than `days`."""
    if not folder.is_dir():
        return Compaction(0, 0)
    with exposures_lock(folder):
        if not dry_run:
            _finish_interrupted(folder)
        first = to_micros(now - timedelta(days=days)) // DAY_US
        by_day = defaultdict(list)
        for file in sorted(folder.glob("*.parquet")):
            started = file.name.partition("-")[0]
            if started.isdecimal():  # else it is not a file of the log
                by_day[int(started) // DAY_US].append(file)
        old = [file for day, files in by_day.items() if day < first for file in files]
        merged = [files for day, files in by_day.items() if first <= day < to_micros(now) // DAY_US and len(files) > 1]
        done = [Compaction(len(old), sum(file.stat().st_size for file in old))]
        for file in () if dry_run else old:
            file.unlink(missing_ok=True)
        done += [Compaction(len(files), 0) if dry_run else _merge(folder, files) for files in merged]
        return Compaction(sum(part.n_files for part in done), sum(part.size for part in done))


def _merge(folder: Path, files: Sequence[Path]) -> Compaction:
    """Replace the files by one. A file that cannot be read, or has other columns, stays as it is."""
    import pyarrow.parquet as pq

    readable = [file for file in files if _is_readable(file)]
    schemas = {file: pq.read_schema(file) for file in readable}
    sources = [file for file in readable if schemas[file].equals(schemas[readable[0]])]
    if len(sources) < 2:
        return Compaction(0, 0)
    size = sum(file.stat().st_size for file in sources)
    target = folder / f"{sources[0].name.partition('-')[0]}-{uuid.uuid4().hex[:12]}.parquet"
    note = folder / f".{target.name}.{SOURCES}"
    write_json(note, [file.name for file in sources])
    with atomic_file(target, remove_leftovers=False) as temporary:
        _write(temporary, sources, schemas[sources[0]])
        restrict(temporary)
    crash_point("gc:merged")
    for file in sources:
        file.unlink()
    note.unlink()
    return Compaction(len(sources), size - target.stat().st_size)


def _write(target: Path, sources: Sequence[Path], schema: Any) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    with pq.ParquetWriter(target, schema, write_page_checksum=True) as writer:
        waiting: list[Any] = []
        for file in sources:
            waiting.append(pq.read_table(file, page_checksum_verification=True))
            if sum(len(table) for table in waiting) >= GROUP_ROWS or file == sources[-1]:
                writer.write_table(pa.concat_tables(waiting))
                waiting = []


def _is_readable(file: Path) -> bool:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        pq.read_table(file, page_checksum_verification=True)
    except (OSError, pa.ArrowException) as error:
        log.warning("exposures: %s cannot be read (%s); it stays as it is", file.name, error)
        return False
    return True


def _finish_interrupted(folder: Path) -> None:
    """Remove the sources of merged files, where a killed call left both."""
    for note in folder.glob(f".*.parquet.{SOURCES}"):
        merged = folder / note.name.removeprefix(".").removesuffix(f".{SOURCES}")
        if merged.exists():
            for name in json.loads(note.read_bytes()):
                (folder / Path(name).name).unlink(missing_ok=True)
        note.unlink()
