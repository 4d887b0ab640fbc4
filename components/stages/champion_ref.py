"""champion/champion.json, which names the champion that `evaluate` and `drift` compare with."""

from pathlib import Path

from components.contracts import ChampionRef
from components.errors import ContractError
from components.io import parse_record


def read_champion_ref(folder: Path) -> ChampionRef | None:
    """Return the champion that the folder holds; None where champion.json is null.

    Raises ContractError where the file is missing or damaged.
    """
    file = folder / "champion.json"
    if not file.exists():
        raise ContractError(f"{file} is missing; run the stage `resolve` first (it holds null where nothing serves)")
    content = file.read_bytes()
    return None if content.strip() == b"null" else parse_record(content, ChampionRef, "champion", file)
