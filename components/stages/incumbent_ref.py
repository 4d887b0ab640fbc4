"""models/incumbent/incumbent.json: the recipe that the stage `incumbent` has fitted, for `evaluate`."""

from pathlib import Path

from components.contracts import ChampionRef, Record
from components.errors import ContractError
from components.io import find_record

FILE = "incumbent.json"


class IncumbentRef(Record):
    """Whose recipe it is, and up to when that was selected."""

    bundle: str  # digest of the champion's bundle, which holds the recipe
    selected_until: int  # microseconds: end of the events that its selection has seen


def read_incumbent_ref(folder: Path, champion: ChampionRef) -> IncumbentRef | None:
    """Return the record in the folder; None where the stage has fitted no recipe.

    Raises ContractError where it is damaged, or about another champion.
    """
    found = find_record(folder / FILE, IncumbentRef, "incumbent", "run the stage `incumbent`")
    if found is not None and found.bundle != champion.digest:
        raise ContractError(
            f"{folder / FILE} is about bundle {found.bundle[:12]}, champion.json names {champion.digest[:12]}; run the "
            "stage `incumbent` again"
        )
    return found
