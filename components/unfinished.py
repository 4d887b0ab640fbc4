"""The mark of a training that a limit in minutes stopped: how far it got depends on the machine's load.

A stage writes the mark into its output folder and keeps its checkpoint. The evaluation, the bundle and the decision
name it, the gate promotes nothing that was made with it, and the next run of the stage goes on from the checkpoint.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from components.contracts import Record
from components.io import find_record, write_record

FILE = "unfinished.json"
TRAINED = ("models/language", "models/sequence")  # outputs of the stages that a limit in minutes may stop


class Unfinished(Record):
    """unfinished.json in the output folder of a stage that trains."""

    model: str  # what was trained, such as "the sequence model"
    limit: str  # the parameter that stopped it, such as "trainer.max_minutes"
    minutes: float  # its value
    step: int  # steps done
    steps: int  # steps without the limit, at most

    def __str__(self) -> str:
        """Return one sentence: what stopped where, and how to go on."""
        return (
            f"{self.limit} {self.minutes:g} stopped {self.model} after step {self.step} of at most {self.steps}; run "
            f"`carousel retrain` again to go on from there, or raise {self.limit}"
        )


def mark_unfinished(folder: Path, mark: Unfinished | None) -> None:
    """Write the mark into the folder; None: nothing."""
    if mark is not None:
        write_record(folder / FILE, mark)


def read_unfinished_models(root: Path) -> list[Unfinished]:
    """Return the marks of the trainings in the checkout."""
    return read_unfinished(root / out for out in TRAINED)


def read_unfinished(outs: Iterable[Path]) -> list[Unfinished]:
    """Return the marks in those outputs of stages that are folders."""
    found = (find_record(out / FILE, Unfinished, "unfinished") for out in outs if out.is_dir())
    return [mark for mark in found if mark is not None]
