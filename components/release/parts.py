"""The parts of a bundle belong together: one catalogue in one order, one language model.

The manifest protects a bundle's bytes; these checks refuse a bundle that was put together from parts of several runs.
"""

import json
from collections.abc import Iterator
from pathlib import Path

import pyarrow.parquet as pq

from components.errors import ContractError
from components.language.encoder import encoder_digest
from components.origin import Origin, catalogue_digest, check_origin

WITHOUT_ITEMS = ("encoder", "sentiment")  # folders whose tensors have no row per product


def check_parts(folder: Path, n_items: int, catalogue: str, encoder: tuple[str, int]) -> None:
    """Raise ContractError naming the part of a bundle that is of another catalogue or language model.

    catalogue: digest of the item ids; "" in bundles of version 0.2 and earlier, whose parts name no catalogue: then
    only the number of products is compared. encoder: digest and max_tokens of the model that encoded the products.
    """
    table = pq.read_table(folder / "items.parquet", columns=["item_id"], page_checksum_verification=True)
    item_ids = ["", *table["item_id"].to_pylist()]
    if len(item_ids) != n_items + 1:
        raise ContractError(f"items.parquet holds {len(item_ids) - 1} products, info.json says {n_items}")
    _check_models(folder, n_items)
    if not catalogue:
        return
    origin = Origin(catalogue=catalogue_digest(item_ids), encoder=encoder[0])
    if origin.catalogue != catalogue:
        raise ContractError(
            f"items.parquet holds the products {origin.catalogue[:12]}, info.json says {catalogue[:12]}: the ids or "
            "their order are of another run; run the stage `package` again"
        )
    for file in tensors(folder):
        check_origin(file, origin, strict=True)
    _check_language(folder, *encoder)


def tensors(folder: Path) -> Iterator[Path]:
    """Yield the safetensors files in a bundle, or in one of its parts, that have a row per product."""
    for file in sorted(folder.rglob("*.safetensors")):
        if file.relative_to(folder).parts[0] not in WITHOUT_ITEMS:
            yield file


def _check_models(folder: Path, n_items: int) -> None:
    models = (folder / name for name in ("model", "fallback", "judged"))
    for file in (file for model in models for file in sorted(model.rglob("model.json"))):
        try:
            found = json.loads(file.read_bytes()).get("n_items")
        except (ValueError, AttributeError):
            continue  # reading the model says what is wrong with it
        if found is not None and found != n_items:
            raise ContractError(f"{file.relative_to(folder)} is of {found} products, items.parquet holds {n_items}")


def _check_language(folder: Path, digest: str, max_tokens: int) -> None:
    """Compare the language model and the sentiment head in the bundle with the model that encoded the products."""
    sentiment = folder / "sentiment/sentiment.json"
    if sentiment.is_file() and json.loads(sentiment.read_bytes()).get("encoder") != digest:
        raise ContractError(f"sentiment/ was trained on vectors of another language model than {digest[:12]}")
    if (folder / "encoder").is_dir() and encoder_digest(folder / "encoder", max_tokens) != digest:
        raise ContractError(
            f"encoder/ is not the language model {digest[:12]} that encoded the products, or has another vocabulary"
        )
