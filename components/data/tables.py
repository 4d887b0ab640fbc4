"""Reads the files of the stage `split` into the types of contracts.py: Interactions, Catalogue, Users.

Files in a split folder:
    items.parquet        item_idx, item_id, title, description, brand, category, language, price, kind (absent before
                         version 0.5); row order = item_idx
    users.parquet        user_idx, user_id; the only file with the shop's user ids
    train.parquet, validation.parquet, test.parquet
                         user_idx, item_idx, timestamp (us), event, weight, target; sorted by user, time,
                         source order
    train_shown.parquet, ...
                         only with split.exposure: the impressions of each window, user_idx, item_idx, timestamp, event,
                         weight (exposure * (1 - propensity), above 0); sorted like the events
    split.json           SplitInfo
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray
from safetensors.numpy import load_file

from components.contracts import PRODUCT_KIND, WINDOWS, Catalogue, IntArray, Interactions, Record, Users
from components.errors import ContractError
from components.mapped_arrays import allocate
from components.ragged import Ragged, offsets_of

BATCH = 1_000_000  # rows of a file that are in memory at once
COLUMNS = {"user_idx": np.int32, "item_idx": np.int32, "timestamp": np.int64, "event": np.int8, "weight": np.float32}
MODALITIES = "vectors."  # prefix of the arrays of items.safetensors that hold modalities


class SplitInfo(Record):
    """split.json. Times are microseconds (UTC); a window ends before its end."""

    protocol: str
    train_end: int
    validation_end: int
    test_end: int
    n_users: int
    n_items: int
    max_history: int
    simulated: bool
    fit_windows: tuple[str, ...] = ("train",)  # what models learn from; with a recipe, "validation" too

    @property
    def fit_end(self) -> int:
        """Return the end of the events that models learn from."""
        return self.validation_end if "validation" in self.fit_windows else self.train_end

    def starts(self, window: str) -> int:
        """Return the first microsecond of "validation" or "test"."""
        return {"validation": self.train_end, "test": self.validation_end}[window]


def read_info(split: Path) -> SplitInfo:
    """Return split.json."""
    return SplitInfo.model_validate_json((split / "split.json").read_bytes())


def read_interactions(split: Path, windows: Sequence[str] | None = None) -> Interactions:
    """Return the events of the windows, in the order user, time, source; None: those that models learn from."""
    info = read_info(split)
    windows = info.fit_windows if windows is None else windows
    return _read_events(split, info, windows, windows)


def read_training(split: Path, windows: Sequence[str] | None = None) -> Interactions:
    """Return `read_interactions` with `shown`, the impressions of the windows: what a model is fitted on."""
    info = read_info(split)
    windows = info.fit_windows if windows is None else windows
    events, names = _read_events(split, info, windows, windows), [shown_file(window) for window in windows]
    if not all((split / f"{name}.parquet").is_file() for name in names):
        return events
    return replace(events, shown=_read_events(split, info, windows, names))


def shown_file(window: str) -> str:
    """Return the name, without suffix, of the file with the impressions of a window."""
    return f"{window}_shown"


def _read_events(split: Path, info: SplitInfo, windows: Sequence[str], names: Sequence[str]) -> Interactions:
    """Return the events of the files, one for each window, in the order user, time, source."""
    ends = {"train": info.train_end, "validation": info.validation_end, "test": info.test_end}
    files = [pq.ParquetFile(split / f"{name}.parquet", page_checksum_verification=True) for name in names]
    columns = {name: allocate(sum(f.metadata.num_rows for f in files), dtype) for name, dtype in COLUMNS.items()}
    for file, shift in zip(files, _shifts(files, info.n_users), strict=True):
        row = 0
        for batch in file.iter_batches(BATCH, columns=list(COLUMNS)):
            rows = slice(row, row := row + len(batch))
            at = rows if shift is None else np.arange(rows.start, rows.stop) + shift[batch["user_idx"].to_numpy()]
            for name, column in columns.items():
                column[at] = batch[name].to_numpy()
    now = max(ends[w] for w in windows)
    return Interactions(**columns, n_users=info.n_users, n_items=info.n_items, now=now, shown=None)


def _shifts(files: Sequence[pq.ParquetFile], n_users: int) -> list[NDArray[np.int64] | None]:
    """Return for each file (n_users + 1,) how far a user's rows move where the rows of all files are sorted by user.

    Each file is sorted by user, and a user's rows in a file are later than those in the files before it.
    """
    if len(files) == 1:
        return [None]
    lengths = np.zeros((len(files), n_users + 1), np.int64)
    for file, length in zip(files, lengths, strict=True):
        for batch in file.iter_batches(BATCH, columns=["user_idx"]):
            length += np.bincount(batch["user_idx"].to_numpy(), minlength=n_users + 1)
    first = offsets_of(lengths.sum(axis=0))[:-1]
    earlier = np.cumsum(lengths, axis=0) - lengths
    return [first + e - offsets_of(n)[:-1] for e, n in zip(earlier, lengths, strict=True)]


def read_catalogue(split: Path, features: Path | None = None) -> Catalogue:
    """Return the products; with embeddings when `features`, the output folder of `encode`, is given."""
    table = pq.read_table(split / "items.parquet", page_checksum_verification=True)
    text = {
        c: ["", *("" if v is None else v for v in table[c].to_pylist())]
        for c in ("item_id", "title", "description", "brand", "category", "language")
    }
    names = ("title", "brand", "category", "description")
    parts = [join_without_repeats([text[n][i] for n in names]) for i in range(len(text["title"]))]
    price = table["price"].to_numpy(zero_copy_only=False).astype(np.float32)
    kinds = table["kind"].to_pylist() if "kind" in table.column_names else []
    catalogue = Catalogue(
        item_id=text["item_id"],
        title=text["title"],
        text=parts,
        brand=text["brand"],
        category=text["category"],
        language=text["language"],
        price=np.concatenate([np.full(1, np.nan, np.float32), price]),
        kind=["", *(kind or PRODUCT_KIND for kind in kinds)] if any(kinds) else None,
    )
    if features is None:
        return catalogue
    arrays = load_file(features / "items.safetensors")
    embedding = arrays["embedding"].astype(np.float32)
    if len(embedding) != len(catalogue.item_id):
        raise ContractError(
            f"{features}: expected {len(catalogue.item_id)} embeddings, one per row of {split}/items.parquet and one "
            f"of padding, got {len(embedding)}; run the stage `encode` again"
        )
    vectors = {
        name.removeprefix(MODALITIES): rows.astype(np.float32) for name, rows in sorted(arrays.items())
        if name.startswith(MODALITIES)
    }  # fmt: skip
    return replace(catalogue, embedding=embedding, vectors=vectors or None)


def read_users(split: Path, window: str) -> Users:
    """Return the users with a target in "validation" or "test": history before that window, targets in it."""
    info = read_info(split)
    earlier = WINDOWS[: WINDOWS.index(window)]
    past, future = read_interactions(split, earlier), _read(split, window)
    keep = future["target"].to_numpy(zero_copy_only=False) & (future["user_idx"].to_numpy() > 0)
    rows = {c: future[c].to_numpy()[keep] for c in COLUMNS}
    who = np.unique(rows["user_idx"])
    names = ("item_idx", "timestamp", "event", "weight")
    targets = _ragged(who, rows["user_idx"], {c: rows[c] for c in names})
    columns = {c: getattr(past, c) for c in names}
    history = _ragged(who, past.user_idx, columns, info.max_history)
    return Users(who.astype(np.int32), history, info.starts(window), targets)


def count_events(window: Path) -> int:
    """Return the number of events in the file of a window."""
    return int(pq.read_metadata(window).num_rows)


def count_users(window: Path) -> int:
    """Return the number of users with a target in the file of a window: those whom `read_users` returns."""
    rows = pq.read_table(window, columns=["user_idx", "target"], page_checksum_verification=True)
    users = rows["user_idx"].filter(rows["target"]).unique().to_numpy()
    return int((users > 0).sum())


def join_without_repeats(parts: list[str]) -> str:
    """Join the parts with ". "; leave out a part that occurs before, such as a brand in the title."""
    text = ""
    for part in parts:
        if part and part.lower() not in text.lower():
            text = f"{text}. {part}" if text else part
    return text


def _ragged(who: IntArray, user_idx: IntArray, columns: dict[str, np.ndarray], newest: int | None = None) -> Ragged:
    """Gather the rows of each user in `who`, or the newest so many of them; user_idx is sorted."""
    end = np.searchsorted(user_idx, who, "right")
    length = end - np.searchsorted(user_idx, who, "left")
    length = length if newest is None else np.minimum(length, newest)
    everything = Ragged(np.array([0, len(user_idx)], dtype=np.int64), **columns)
    return everything.gather(end - length, length)


def _read(split: Path, window: str) -> pa.Table:
    return pq.read_table(split / f"{window}.parquet", page_checksum_verification=True)
