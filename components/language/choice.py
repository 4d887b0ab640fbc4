"""The choice of the language model that encodes the shop's texts: the original, or the one that `pretrain` adapted."""

from __future__ import annotations

from pathlib import Path

from components.contracts import Record
from components.errors import ContractError
from components.io import read_record, write_record
from components.language.encoder import resolve_model

FILE = "language.json"


class ModelChoice(Record):
    """models/language/language.json; if accepted, the adapted model is in the same folder."""

    accepted: bool
    reason: str  # one sentence with the numbers
    original: str  # params language.model


def write_choice(folder: Path, choice: ModelChoice) -> None:
    """Write language.json."""
    write_record(folder / FILE, choice)


def chosen_model(folder: Path, name: str) -> Path:
    """Return the folder of the model to encode with; `folder`: output of `pretrain`, `name`: language.model.

    Raises ContractError when the stage has not run, or ran for another original.
    """
    choice = read_record(folder / FILE, ModelChoice, "language_choice", "run the stage `pretrain`")
    if choice.original != name:
        raise ContractError(
            f"{folder / FILE} is about {choice.original}, language.model is {name}; run the stage `pretrain` again"
        )
    return resolve_model(str(folder)) if choice.accepted else resolve_model(name)
