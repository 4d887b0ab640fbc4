"""The catalogue and the language model that a safetensors file belongs to, written into its header.

Row i of a tensor means item_idx i of one catalogue: with another catalogue, or one whose rows are in another order,
the file would be read without an error and recommend other products.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from hashlib import sha256
from pathlib import Path

from components.contracts import Record
from components.errors import ContractError
from components.io import write_bytes

METADATA = "__metadata__"  # the part of a safetensors header that holds text
ALIGNMENT = 8  # bytes: the tensors start at a multiple of it
MAX_HEADER = 100_000_000  # bytes, safetensors' own limit


class Origin(Record):
    """What the rows of a tensor over items mean."""

    catalogue: str  # digest of the item ids in the order of item_idx
    encoder: str  # digest of the language model that encoded the products; "" if unknown


def catalogue_digest(item_ids: Sequence[str]) -> str:
    """Return the digest of the ids in their order; item_ids: row = item_idx, "" at 0."""
    return sha256(json.dumps(list(item_ids[1:])).encode()).hexdigest()


def read_split_origin(split: Path, features: Path) -> Origin:
    """Return the origin of what is made from these outputs of `split` and `encode`.

    Raises ContractError where the vectors in features are of another catalogue.
    """
    from components.data.tables import read_catalogue

    about = features / "encoder.json"
    encoder = str(json.loads(about.read_bytes())["digest"]) if about.exists() else ""
    origin = Origin(catalogue=catalogue_digest(read_catalogue(split).item_id), encoder=encoder)
    check_origin(features / "items.safetensors", origin, strict=False)
    return origin


def stamp(folder: Path, origin: Origin) -> None:
    """Write the origin into each safetensors file in the folder."""
    for file in sorted(folder.rglob("*.safetensors")):
        content = file.read_bytes()
        header, start = _parse(content, file)
        header = {METADATA: {**header.pop(METADATA, {}), **origin.model_dump()}, **header}
        text = json.dumps(header, separators=(",", ":")).encode()
        text += b" " * (-len(text) % ALIGNMENT)
        write_bytes(file, len(text).to_bytes(8, "little") + text + content[start:])


def check_origin(file: Path, expected: Origin, strict: bool) -> None:
    """Raise ContractError where the file is of another catalogue or language model; strict: also if it names none."""
    with file.open("rb") as opened:
        size = min(int.from_bytes(opened.read(8), "little"), MAX_HEADER)
        header, _ = _parse(size.to_bytes(8, "little") + opened.read(size), file)
    found = header.get(METADATA, {})
    wrong = list(_differences(found, expected, strict))
    if wrong:
        raise ContractError(
            f"{file.parent.name}/{file.name} does not belong to these products: {'; '.join(wrong)}. Parts of different "
            "runs were mixed: run `carousel retrain`"
        )


def _differences(found: dict[str, str], expected: Origin, strict: bool) -> Iterator[str]:
    for name, value in expected:
        if name not in found:
            if strict:
                yield f"it names no {name}"
        elif value and found[name] and found[name] != value:
            yield f"{name} {found[name][:12]}, expected {value[:12]}"


def _parse(content: bytes, file: Path) -> tuple[dict[str, dict[str, str]], int]:
    """Return the header and the position of the first tensor."""
    start = 8 + int.from_bytes(content[:8], "little")
    try:
        header = json.loads(content[8:start])
        return dict(header), start
    except (ValueError, TypeError) as error:
        raise ContractError(f"{file}: not a safetensors file ({error}); run the stage that writes it again") from None
