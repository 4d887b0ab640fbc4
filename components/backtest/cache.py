"""Results on disk by the digest of their inputs: a killed backtest goes on, and policies share fits and scores."""

from __future__ import annotations

import logging
import resource
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

from components.contracts import Record
from components.errors import ContractError
from components.io import describe_problems, sha256_bytes, temporary_folder, write_record
from components.release.manifest import canonical_json

log = logging.getLogger("backtest")
RecordT = TypeVar("RecordT", bound=Record)
ADVICE = "remove this file or its folder: the backtest makes it again"


class Cache:
    """Records and folders below one folder; base: the data and code that all of a kind depend on, by kind."""

    def __init__(self, folder: Path, base: Mapping[str, str]) -> None:
        self.folder, self.base = folder, base

    def key(self, kind: str, inputs: Mapping[str, Any]) -> str:
        """Return the sha256 of the inputs, which must be plain JSON values."""
        return sha256_bytes(canonical_json({"kind": kind, "base": self.base[kind], "inputs": dict(inputs)}).encode())

    def record(
        self, kind: str, inputs: Mapping[str, Any], model: type[RecordT], make: Callable[[], RecordT]
    ) -> RecordT:
        """Return the record of these inputs, made unless it is there."""
        path = self.folder / kind / f"{self.key(kind, inputs)}.json"
        if path.is_file():
            return read_cached(path, model)
        made = make()
        write_record(path, made)
        return made

    def files(self, kind: str, inputs: Mapping[str, Any], make: Callable[[Path], None]) -> Path:
        """Return the folder of these inputs, with what `make` wrote to it; it appears complete or not at all."""
        path = self.folder / kind / self.key(kind, inputs)
        if not path.is_dir():
            with temporary_folder(path) as folder:
                make(folder)
                with suppress(OSError):  # another backtest made it meanwhile
                    folder.rename(path)
        return path


def read_cached(path: Path, model: type[RecordT]) -> RecordT:
    """Return the record in a file of the cache; raises ContractError where it is damaged."""
    try:
        return model.model_validate_json(path.read_bytes())
    except ValueError as error:
        raise ContractError(f"{path}: not a {model.__name__} ({describe_problems(error)}); {ADVICE}") from None


class CpuClock:
    """CPU seconds of this process and its ended children since the start."""

    def __init__(self) -> None:
        self.seconds = 0.0


@contextmanager
def cpu_clock() -> Iterator[CpuClock]:
    """Yield a clock that holds the CPU seconds of the block after it."""
    clock, started = CpuClock(), _cpu_seconds()
    yield clock
    clock.seconds = round(_cpu_seconds() - started, 3)


def _cpu_seconds() -> float:
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime
