"""What ships: one folder under one manifest of digests. Safetensors, JSON, Parquet and text; nothing in it runs.

Layout:
    manifest.json            relative path -> sha256 and size of every other file; the bundle's digest is its sha256
    info.json                BundleInfo
    items.parquet            the catalogue, row = item_idx - 1
    items.safetensors        its embeddings
    model/, fallback/        recommenders, self-contained; the fallback is popularity
    ranker/                  chances of a click, a cart and a purchase, where there is a ranker
    nearest/                 a graph of the embeddings, where the catalogue is a large one
    search/                  the words of the products, where a query looks them up
    sentiment/               how reviews sound to the encoder, where there is such a head
    encoder/                 the encoder of texts, where release.include_encoder
    drift_reference.parquet  what this model's training window looked like

The same data, parameters and models give the same bytes, whoever the champion is.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from components import io
from components.contracts import Catalogue, Recommender, Record
from components.data.tables import read_catalogue
from components.errors import ContractError, TamperedError
from components.language.encoder import FILES
from components.params import AnnParams, ProfilesParams
from components.recommenders.ann_index import Nearest
from components.recommenders.content import ContentRecommender
from components.recommenders.factory import load_model
from components.release.catalogue_adapter import CatalogueAdapter

if TYPE_CHECKING:
    from components.ranking.ranker import Ranker
    from components.search.index import SearchIndex

FORMAT = 1
MANIFEST = "manifest.json"
SAFE = (".json", ".parquet", ".safetensors", ".txt")  # what a bundle may hold; a pickle has no place in it


class EncoderInfo(Record):
    """Which encoder made the item vectors: a query must be encoded by the same."""

    model: str
    digest: str
    dim: int
    max_tokens: int


class BundleInfo(Record):
    """info.json: what serving and comparison must know. Times are microseconds (UTC)."""

    model: str  # recommender name
    as_of: str
    train_end: int  # the model learned from events before this
    validation_end: int  # and was tuned and chosen on events before this
    n_items: int
    max_history: int  # newest events per user that the model may see
    exclude_seen: bool
    weights: dict[str, float]  # weight of each event that teaches; other events stay out of a history
    simulated: bool
    encoder: EncoderInfo  # what made the item vectors; the folder encoder/ holds it where release.include_encoder
    profiles: ProfilesParams | None = None  # how profiles are made of events; None: a bundle from before they were here
    nearest: AnnParams | None = None  # how the graph in nearest/ is asked; None: there is none


@dataclass(frozen=True)
class Bundle:
    """A bundle whose every byte has been checked; models are loaded when first asked for."""

    folder: Path
    digest: str
    info: BundleInfo

    @cached_property
    def model(self) -> Recommender:
        """Return the recommender that the bundle ships."""
        model = load_model(self.folder / "model")
        if self.nearest and isinstance(model, ContentRecommender) and model.vectors.shape[1] == self.nearest.dim:
            model.nearest = self.nearest
        return model

    @cached_property
    def nearest(self) -> Nearest | None:
        """Return the graph of the products' vectors; None for a catalogue that is looked at whole."""
        knobs, vectors = self.info.nearest, self.catalogue.embedding
        if knobs is None or vectors is None:
            return None
        return Nearest.load(self.folder / "nearest", self.info.n_items, vectors.shape[1], knobs)

    @cached_property
    def fallback(self) -> Recommender:
        """Return the popularity model, for when the other one cannot answer."""
        return load_model(self.folder / "fallback")

    @cached_property
    def ranker(self) -> Ranker | None:
        """Return the ranker, where the bundle has one."""
        from components.ranking.ranker import Ranker

        return Ranker.load(self.folder / "ranker") if (self.folder / "ranker").is_dir() else None

    @cached_property
    def search(self) -> SearchIndex | None:
        """Return the index of the products' words; None in a bundle from before it was here."""
        from components.search.index import SearchIndex

        return SearchIndex.load(self.folder / "search") if (self.folder / "search").is_dir() else None

    @cached_property
    def catalogue(self) -> Catalogue:
        """Return the products with their embeddings."""
        return read_catalogue(self.folder, self.folder)

    @cached_property
    def index(self) -> dict[str, int]:
        """Return the shop's item_id -> item_idx."""
        return {name: idx for idx, name in enumerate(self.item_ids) if idx}

    @property
    def item_ids(self) -> list[str]:
        """Return the shop's ids, row = item_idx, "" at 0."""
        return self.catalogue.item_id

    @property
    def titles(self) -> list[str]:
        """Return the titles, row = item_idx."""
        return self.catalogue.title


def build_bundle(
    out: Path,
    *,
    model: Path,
    fallback: Path,
    split: Path,
    features: Path,
    drift_reference: Path,
    info: BundleInfo,
    encoder: Path | None,
    ranker: Path | None = None,
    search: Path | None = None,
    nearest: Path | None = None,
) -> str:
    """Fill the empty folder `out`; return the digest. The manifest comes last: without it, nobody reads the rest.

    Raises ContractError for a file that a bundle must not hold.
    """
    out.mkdir(parents=True, exist_ok=True)
    if any(out.iterdir()):
        raise ContractError(f"{out} is not empty; a bundle is built in a folder of its own")
    copies = {
        out / "items.parquet": split / "items.parquet",
        out / "items.safetensors": features / "items.safetensors",
        out / "drift_reference.parquet": drift_reference,
    }
    folders = {"model": model, "fallback": fallback}
    optional = {"ranker": ranker, "search": search, "nearest": nearest}
    folders |= {name: folder for name, folder in optional.items() if folder}
    if (features / "sentiment/sentiment.json").is_file():
        folders["sentiment"] = features / "sentiment"
    for name, folder in folders.items():
        copies |= {out / name / inner: folder / inner for inner in _files(folder)}
    if encoder:
        copies |= {out / "encoder" / inner: encoder / inner for inner in _encoder_files(encoder)}
    for target, source in copies.items():
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)
    (out / "info.json").write_text(_canonical(info.model_dump(mode="json")), encoding="utf-8")
    files = {name: {"sha256": io.sha256_file(out / name), "bytes": (out / name).stat().st_size} for name in _files(out)}
    text = _canonical({"format": FORMAT, "files": files})
    (out / MANIFEST).write_text(text, encoding="utf-8")
    return io.sha256_bytes(text.encode())


def open_bundle(folder: Path, digest: str | None = None) -> Bundle:
    """Return the bundle after checking every file against the manifest, and the manifest against `digest`.

    Raises TamperedError naming what is missing, changed, unexpected, a link, or of a kind that a bundle never holds.
    """
    came = check_files(folder, digest)
    try:
        info = io.read_record(folder / "info.json", BundleInfo, "bundle_info", "fetch the bundle again")
    except ContractError as error:
        raise ContractError(f"bundle {came[:12]}: info.json is not of this version of Carousel ({error})") from None
    return Bundle(folder, came, info)


def adapt_to_catalogue(bundle: Bundle, item_ids: list[str]) -> Recommender:
    """Return the bundle's model as "champion": it takes and returns the item_idx of `item_ids` (row 0 is padding).

    Events on items that the bundle does not know leave the history; such items score -inf.
    """
    return CatalogueAdapter(bundle.model, bundle.index, item_ids)


def check_files(folder: Path, digest: str | None = None) -> str:
    """Return the digest of a bundle whose every file is as its manifest says; raises TamperedError."""
    path = folder / MANIFEST
    if path.is_symlink() or not path.is_file():
        raise TamperedError(f"{folder.name}: {MANIFEST} is missing; this is no bundle, or a half written one")
    content = path.read_bytes()
    came = io.sha256_bytes(content)
    if digest is not None and came != digest:
        raise TamperedError(f"{folder.name}/{MANIFEST}: expected digest {digest}, came {came}; fetch the bundle again")
    expected = _read_manifest(content, folder.name)
    present = set(_files(folder)) - {MANIFEST}
    if present != set(expected):
        missing, extra = sorted(set(expected) - present), sorted(present - set(expected))
        raise TamperedError(f"{folder.name}: files missing {missing}, files not in the manifest {extra}")
    for name, entry in expected.items():
        file = folder / name
        if file.stat().st_size != entry["bytes"] or io.sha256_file(file) != entry["sha256"]:
            raise TamperedError(
                f"{folder.name}/{name}: the bytes are not those of the manifest; fetch the bundle again"
            )
    return came


def _read_manifest(content: bytes, where: str) -> dict[str, dict[str, Any]]:
    try:
        tree = json.loads(content)
        files = {str(name): {"sha256": str(e["sha256"]), "bytes": int(e["bytes"])} for name, e in tree["files"].items()}
        version = tree["format"]
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise TamperedError(f"{where}/{MANIFEST} is not a manifest ({error!r})") from None
    if version != FORMAT:
        raise ContractError(f"{where}: bundle format {version}, this code reads {FORMAT}; use the code of its revision")
    for name in files:
        _check_name(name, where)
    return files


def _check_name(name: str, where: str) -> None:
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or "\\" in name or "\0" in name or str(path) != name:
        raise TamperedError(f"{where}: the name {name!r} leaves the bundle's folder; refused")
    if path.suffix not in SAFE:
        raise TamperedError(f"{where}/{name}: a bundle holds {', '.join(SAFE)} only; refused, nothing was loaded")


def _files(folder: Path) -> Iterator[str]:
    """Yield the relative path of each file, in order; raises TamperedError for links, other kinds and unsafe names."""
    if folder.is_symlink():
        raise TamperedError(f"{folder.name}: a link where a folder was expected; refused")
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_symlink() or not (path.is_file() or path.is_dir()):
            raise TamperedError(f"{folder.name}/{name}: a link or a special file; refused")
        if path.is_file():
            _check_name(name, folder.name)
            yield name


def _encoder_files(folder: Path) -> list[str]:
    """Return what a bundle takes of an encoder's folder: weights, tokenizer and settings; all else stays behind."""
    names = [name for name in FILES if (folder / name).is_file()]
    if not any(name.endswith(".safetensors") for name in names):
        raise ContractError(f"{folder.name}: expected an encoder with model.safetensors, came {names}")
    return names


def _canonical(tree: Any) -> str:
    return json.dumps(tree, indent=1, sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n"
