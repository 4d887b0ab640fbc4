"""Vectors of products that the shop has computed itself, of any width: audio, pictures, anything.

data/snapshot/vectors/NAME.parquet     item_id, vector: float32, of one width
data/quarantine/vectors-NAME.parquet   quality.QUARANTINE
"""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from components.contracts import FloatArray, Record
from components.data.files import find_files
from components.data.lines import File
from components.data.partitions import VECTORS
from components.data.quality import QuarantinedRow, write_quarantined
from components.errors import ContractError, QualityError
from components.ids import parse
from components.params import GivenVectorsParams

log = logging.getLogger("ingest")
MAX_WIDTH = 16_384
LISTS = (pa.ListType, pa.LargeListType, pa.FixedSizeListType)


class VectorCounts(Record):
    """Number of rows by outcome; `read` is the sum of the others."""

    read: int
    valid: int
    quarantined: int
    unknown: int  # of products that the snapshot does not have

    def check(self, name: str, max_bad_share: float) -> None:
        """Raise QualityError when rows were lost, too many broke a rule, or none is left."""
        rest = self.valid + self.quarantined + self.unknown
        if rest != self.read:
            raise QualityError(f"data.vectors.{name}: {self.read} rows, {rest} accounted for; please report it")
        if self.quarantined > max_bad_share * self.read or not self.valid:
            raise QualityError(
                f"data.vectors.{name}: {self.quarantined} of {self.read} rows broke a rule (data.max_bad_share "
                f"{max_bad_share}), {self.unknown} are of unknown products, {self.valid} are left; see "
                f"data/quarantine/vectors-{name}.parquet"
            )


def take_vectors(
    name: str,
    source: GivenVectorsParams,
    item_ids: set[str],
    root: Path,
    snapshot: Path,
    quarantine: Path,
    max_bad_share: float,
) -> VectorCounts:
    """Read the Parquet files of a source and write both files; of several rows of a product the last one counts.

    item_ids: the products of the snapshot. Raises ContractError for files without the columns, QualityError as
    VectorCounts.check does; the quarantine is written before.
    """
    vectors: dict[str, FloatArray] = {}
    broken: list[QuarantinedRow] = []
    places: dict[str, tuple[str, int]] = {}  # file and row of each vector
    read = unknown = 0
    for file in _files(name, source, root):
        table = _read(file, name, source)
        read += table.num_rows
        ids = table[source.id].cast(pa.string()).to_pylist()
        rows = table[source.column].to_pylist()
        for number, (text, row) in enumerate(zip(ids, rows, strict=True), start=1):
            try:
                item_id, vector = parse(text or ""), _checked(row)
            except ValueError as error:
                broken.append((file.name, number, str(error), text or ""))
                continue
            if item_id not in item_ids:
                unknown += 1
                continue
            if item_id in vectors:
                broken.append((*places[item_id], "a later row has the same id", item_id))
            vectors[item_id], places[item_id] = vector, (file.name, number)
    width = _usual_width(vectors)
    odd = [item_id for item_id, vector in vectors.items() if len(vector) != width]
    broken += [(*places[item_id], f"not {width} numbers, as most rows have", item_id) for item_id in odd]
    for item_id in odd:
        del vectors[item_id]
    write_quarantined(broken, quarantine / f"vectors-{name}.parquet")
    counts = VectorCounts(read=read, valid=len(vectors), quarantined=len(broken), unknown=unknown)
    log.info("vectors %s: %s", name, ", ".join(f"{n} {outcome}" for outcome, n in counts.model_dump().items()))
    counts.check(name, max_bad_share)
    _write(vectors, snapshot / VECTORS / f"{name}.parquet")
    return counts


def describe(name: str, source: GivenVectorsParams, root: Path) -> str:
    """Return what is read of a source; raises ContractError for no files, or files without the columns."""
    files = _files(name, source, root)
    for file in files:
        _check_columns(file, name, source)
    return f"{len(files)} file(s)"


def _files(name: str, source: GivenVectorsParams, root: Path) -> list[File]:
    return find_files(source.path, root, f"data.vectors.{name}").files


def _check_columns(file: File, name: str, source: GivenVectorsParams) -> None:
    try:
        schema = pq.read_schema(file.path)
    except (OSError, pa.ArrowException) as error:
        raise ContractError(f"data.vectors.{name}: {file.name}: expected a Parquet file, got {error}") from None
    missing = [column for column in (source.id, source.column) if column not in schema.names]
    if missing:
        raise ContractError(f"data.vectors.{name}: {file.name} has no column {missing}; it has {schema.names}")
    kind = schema.field(source.column).type
    if not isinstance(kind, LISTS) or not _is_number(kind.value_type):
        raise ContractError(
            f"data.vectors.{name}: {file.name}: expected lists of numbers in {source.column}, got {kind}"
        )


def _read(file: File, name: str, source: GivenVectorsParams) -> pa.Table:
    _check_columns(file, name, source)
    try:
        return pq.read_table(file.path, columns=[source.id, source.column], page_checksum_verification=True)
    except (OSError, pa.ArrowException) as error:
        raise ContractError(f"data.vectors.{name}: {file.name}: cannot be read: {error}") from None


def _is_number(kind: pa.DataType) -> bool:
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind))


def _checked(row: list[float] | None) -> FloatArray:
    """Return the vector; raises ValueError with the rule that it breaks."""
    if not row or len(row) > MAX_WIDTH:
        raise ValueError(f"not 1 to {MAX_WIDTH} numbers")
    vector = np.array(row, np.float64)  # null becomes NaN
    if not np.isfinite(vector).all() or np.abs(vector).max() > np.finfo(np.float32).max:
        raise ValueError("a number that is null, NaN or infinite")
    if not vector.any():
        raise ValueError("all numbers are 0")
    return vector.astype(np.float32)


def _usual_width(vectors: dict[str, FloatArray]) -> int:
    widths, counts = np.unique([len(vector) for vector in vectors.values()], return_counts=True)
    return int(widths[counts.argmax()]) if len(widths) else 0


def _write(vectors: dict[str, FloatArray], path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    ids = sorted(vectors)
    kind = pa.list_(pa.float32())
    table = pa.table({"item_id": pa.array(ids, pa.string()), "vector": pa.array([vectors[i] for i in ids], kind)})
    pq.write_table(table, path, compression="zstd", write_page_checksum=True)
