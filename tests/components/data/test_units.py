"""A task may be called again, as after the loss of a worker: it replaces what it wrote."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from components.data.engines import Result, Unit
from tests.components.data.support import HEADER, PRODUCTS, assert_equal_snapshots, good, write


class Repeating:
    """Calls each task twice."""

    def map(self, task: Callable[[Unit], Result], units: Sequence[Unit]) -> list[Result]:
        for unit in units:
            task(unit)
        return [task(unit) for unit in units]


def test_tasks_may_be_called_again(tmp_path: Path, settings: Callable[..., Any]) -> None:
    bad = b"u1,i1,never,view,1,1\n"
    write(tmp_path, {"in/products.csv": PRODUCTS, "e/1.csv": HEADER + good(5) + bad, "e/2.csv": HEADER + good(7)})
    data = settings(sources={"products": [{"path": "in/products.csv"}], "events": [{"path": "e"}]}).data
    counts = assert_equal_snapshots(tmp_path, data, Repeating())["events"].counts
    assert (counts.valid, counts.duplicates, counts.quarantined) == (7, 5, 1)
