"""Exported lists that were shown: they go to the exposure log, as those of the service do, so that they count.

Who showed lists says which, and when, in a file with the columns list_id and timestamp, and n_shown where only the
first products were seen. Products and users are those of the export. An event with the list_id as its request_id, sent
to POST /events, belongs to the list.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import Annotated, Any

import pyarrow as pa
import pyarrow.compute as pc
from pydantic import Field, ValidationError

from components.contracts import Record
from components.errors import ContractError
from components.io import describe_problems, sha256_bytes
from components.offline.database import ListTable
from components.offline.export import read_manifest
from components.offline.files import read_file
from components.serving.field_types import EventTime
from components.serving.schemas import Body
from components.serving.storage.erasure import ErasureLog
from components.serving.storage.event_store import EventStore
from components.serving.storage.exposures import Exposure, write_exposures
from components.times import to_micros

ROUTE = "export"  # of these exposures, where the service's have the path of the request
FORMATS = (".csv", ".jsonl")


class ShownList(Body):
    """One line of the file: a list that was shown."""

    list_id: Annotated[str, Field(min_length=1, max_length=64)]
    timestamp: EventTime
    n_shown: Annotated[int, Field(ge=1)] | None = None
    """Products that were seen, from the first one on. Null: all."""


class Impressions(Record):
    """What was logged."""

    n_shown: int  # lines of the file
    n_lists: int  # different lists that were found in the export
    n_unknown: int  # lines whose list_id is not in the export
    n_deleted: int  # lines whose user was deleted since
    n_rows: int  # products that were logged as impressions


def log_impressions(
    target: Path | ListTable, shown: Path, store: EventStore, folder: Path, per_file: int
) -> Impressions:
    """Write the impressions of the lists in `shown` to the exposure log in `folder`, per_file rows to a file.

    target: the export. The same call again replaces the same files. Memory: the lists that were shown.
    Raises ContractError for a file of another form, or an export of a bundle folder, which has no version.
    """
    manifest = read_manifest(target)
    if manifest.version is None:
        raise ContractError(
            "the export is of a bundle folder, not of a registered version; its impressions cannot count"
        )
    lines = list(read_shown(shown))
    found = _find_lists(target, {line.list_id for line in lines})
    erasures = ErasureLog(store, folder)
    with erasures.writing():
        erasures.refresh()
        known = [(line, *found[line.list_id]) for line in lines if line.list_id in found]
        exposures = [
            Exposure(
                user_id, item_ids[: line.n_shown], to_micros(line.timestamp), None, line.list_id, ROUTE,
                manifest.version, None, None,
            )
            for line, user_id, item_ids in known
        ]  # fmt: skip
        left = [one for one in exposures if one.timestamp > erasures.erased_at(one.user_id)]
        n_rows = sum(_write(folder, batch) for batch in _batches(left, per_file))
    return Impressions(
        n_shown=len(lines),
        n_lists=len(found),
        n_unknown=len(lines) - len(known),
        n_deleted=len(exposures) - len(left),
        n_rows=n_rows,
    )


def read_shown(path: Path) -> Iterator[ShownList]:
    """Yield the lines of the file; raises ContractError naming the line that is wrong."""
    if path.suffix not in FORMATS or not path.is_file():
        raise ContractError(f"{path}: expected a file that ends in {' or '.join(FORMATS)}, with list_id and timestamp")
    with path.open(encoding="utf-8-sig", newline="") as file:
        rows: Iterable[Any] = csv.DictReader(file) if path.suffix == ".csv" else map(_parse_line, file)
        for number, row in enumerate(rows, 1):
            try:
                yield ShownList.model_validate(_without_blanks(row))
            except ValidationError as error:
                raise ContractError(f"{path.name}, record {number}: {describe_problems(error)}; correct it") from None


def _parse_line(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text  # no record: the error names the line


def _without_blanks(row: Any) -> Any:
    return {name: value for name, value in row.items() if value not in ("", None)} if isinstance(row, dict) else row


def _find_lists(target: Path | ListTable, list_ids: set[str]) -> dict[str, tuple[str, list[str]]]:
    """Return list_id -> user and item_ids, best first, of the wanted lists that the export holds."""
    wanted = pa.array(sorted(list_ids), pa.string())
    found: dict[str, tuple[str, list[str]]] = {}
    for table in target.read() if isinstance(target, ListTable) else read_file(target):
        rows = table.filter(pc.is_in(table["list_id"], wanted)).to_pylist()
        for list_id, part in groupby(rows, key=lambda row: str(row["list_id"])):
            items = list(part)
            found.setdefault(list_id, (items[0]["user_id"], []))[1].extend(row["item_id"] for row in items)
    return found


def _batches(exposures: Sequence[Exposure], per_file: int) -> Iterator[list[Exposure]]:
    batch, n = list[Exposure](), 0
    for exposure in exposures:
        batch.append(exposure)
        n += len(exposure.item_ids)
        if n >= per_file:
            yield batch
            batch, n = [], 0
    if batch:
        yield batch


def _write(folder: Path, batch: Sequence[Exposure]) -> int:
    """Write one file, whose name follows from its content; return the number of rows."""
    digest = sha256_bytes(json.dumps(batch).encode())[:12]
    write_exposures(folder / f"{min(one.timestamp for one in batch)}-{digest}.parquet", batch)
    return sum(len(one.item_ids) for one in batch)
