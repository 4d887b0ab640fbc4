"""The bundle that ships: a folder with a manifest of digests; only safetensors, JSON, Parquet and text, no code.

Layout:
    manifest.json            relative path -> sha256 and size of every other file; the bundle's digest is its sha256
    info.json                BundleInfo
    README.md                the model card (release/card.py); not in bundles before version 0.5
    recipe.json              Recipe: what determines the model except the data; not in bundles before version 0.4
    items.parquet            the catalogue, row = item_idx - 1
    items.safetensors        its embeddings
    model/, fallback/        recommenders, self-contained; the fallback is popularity
    judged/                  the recommender as it was judged, where model/ has learned the holdout of its refresh, too
    ranker/                  P(click), P(cart) and P(purchase), where the shop has a ranker
    ann/                     ANN index of the embeddings, for large catalogues
    search/                  inverted index of the products' words
    sentiment/               sentiment head on the encoder's review vectors, where there is one
    encoder/                 the text encoder, where release.include_encoder
    drift_reference.parquet  sample of this model's training window
    privacy.json             Spending: the budget of differential privacy; only where privacy.epsilon is set

The same data, parameters and models give the same bytes, whichever version is champion.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from components import io
from components.contracts import Catalogue, Completion, Recommender, Record
from components.data.tables import read_catalogue
from components.errors import ContractError, ParamsError
from components.language.encoder import FILES
from components.params import AnnParams, Params, ProfilesParams
from components.privacy import accounting
from components.privacy.accounting import Spending
from components.recommenders.ann_index import AnnIndex
from components.recommenders.factory import check_names, load_model
from components.release import recipe
from components.release.catalogue_adapter import CatalogueAdapter
from components.release.manifest import README, canonical_json, check_files, list_files, write_manifest
from components.release.parts import check_parts
from components.release.recipe import Recipe
from components.times import to_datetime, to_micros

if TYPE_CHECKING:
    from components.ranking.ranker import Ranker
    from components.search.index import SearchIndex


class EncoderInfo(Record):
    """The encoder of the item vectors; queries must be encoded by the same one."""

    model: str
    digest: str
    dim: int
    max_tokens: int


class BundleInfo(Record):
    """info.json: what serving and comparison need. Times are microseconds (UTC)."""

    model: str  # recommender name
    as_of: str
    train_end: int  # the model that was judged learned from events before this
    validation_end: int  # and was tuned and chosen on events before this
    n_items: int
    max_history: int  # newest events per user that the model may see
    exclude_seen: bool
    weights: dict[str, float]  # weight of each kind of event in a history; other kinds are left out
    simulated: bool
    encoder: EncoderInfo  # what made the item vectors; the folder encoder/ holds it where release.include_encoder
    profiles: ProfilesParams | None = None  # how profiles are computed from events; None: the bundle has none
    ann: AnnParams | None = None  # parameters of the ANN index in ann/; None: the bundle has none
    unfinished: tuple[str, ...] = ()  # trainings that a limit in minutes stopped
    catalogue: str = ""  # digest of the item ids in their order, as in each part; "": before version 0.3
    completion: Completion | None = None  # what was learned after the verdict; None: nothing

    @property
    def is_completed(self) -> bool:
        """Return whether model/ has learned the holdout, too; judged/ holds the model without it."""
        return self.completion is not None and self.completion.ships

    @property
    def learned_until(self) -> int:
        """Return the end (us) of the events that the model which answers learned from."""
        return to_micros(datetime.fromisoformat(self.completion.shipped_until)) if self.completion else self.train_end


@dataclass(frozen=True)
class BundleSources:
    """The folders and files that a bundle is copied from."""

    model: Path
    fallback: Path
    split: Path  # holds items.parquet
    features: Path  # holds items.safetensors, and sentiment/ where there is a head
    drift_reference: Path
    encoder: Path | None = None
    ranker: Path | None = None
    search: Path | None = None
    ann: Path | None = None
    judged: Path | None = None  # where the model has learned the holdout, too


@dataclass(frozen=True)
class Bundle:
    """A bundle whose every byte has been checked; models are loaded on first use."""

    folder: Path
    digest: str
    info: BundleInfo

    @cached_property
    def model(self) -> Recommender:
        """Return the recommender that the bundle ships."""
        model = load_model(self.folder / "model")
        if self.ann:
            model.use_ann_index(self.ann)
        return model

    @cached_property
    def judged(self) -> Recommender:
        """Return the recommender as it was judged: without the holdout, which what answers may have learned."""
        return load_model(self.folder / "judged") if self.info.is_completed else self.model

    @cached_property
    def ann(self) -> AnnIndex | None:
        """Return the ANN index of the products' vectors; None where search is exact."""
        params, vectors = self.info.ann, self.catalogue.embedding
        if params is None or vectors is None:
            return None
        folder = self.folder / ("ann" if (self.folder / "ann").is_dir() else "nearest")  # its name in version 0.1
        return AnnIndex.load(folder, self.info.n_items, vectors.shape[1], params)

    @cached_property
    def recipe(self) -> Recipe | None:
        """Return the recipe that the model was fitted by; None in bundles before version 0.4.

        Raises ContractError for one of a later version of Carousel.
        """
        return io.find_record(self.folder / recipe.FILE, Recipe, "recipe", recipe.LATER)

    @cached_property
    def spending(self) -> Spending | None:
        """Return the budget that was spent on users' privacy; None where models learned without noise."""
        return io.find_record(self.folder / accounting.FILE, Spending, "privacy", "fetch the bundle again")

    @property
    def best_simple(self) -> str:
        """Return the recipe's best simple model; popularity where the bundle has no recipe that can be read."""
        try:
            return self.recipe.selection.best_simple if self.recipe else "popularity"
        except ContractError:
            return "popularity"

    def recipe_params(self, params: Params) -> Params:
        """Return the parameters of a pass that fits the recipe of this champion, instead of selecting one.

        Raises ContractError where it has none, or one that this version of Carousel does not accept.
        """
        if self.recipe is None:
            raise ContractError("the champion was made before version 0.4 and has no recipe")
        try:
            own = self.recipe.apply(params, to_datetime(self.info.train_end))
            check_names(own)
        except (ValueError, ParamsError) as error:
            raise ContractError(f"this version of Carousel does not accept the champion's recipe ({error})") from None
        return own

    @cached_property
    def fallback(self) -> Recommender:
        """Return the popularity model, which answers when the other model fails."""
        return load_model(self.folder / "fallback")

    @cached_property
    def ranker(self) -> Ranker | None:
        """Return the ranker, where the bundle has one."""
        from components.ranking.ranker import Ranker

        return Ranker.load(self.folder / "ranker") if (self.folder / "ranker").is_dir() else None

    @cached_property
    def search(self) -> SearchIndex | None:
        """Return the inverted index of the products' words; None where the bundle has none."""
        from components.search.index import SearchIndex

        folder = self.folder / "search"
        return SearchIndex.load(folder, self.catalogue) if folder.is_dir() else None

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
    sources: BundleSources,
    info: BundleInfo,
    made_by: Recipe | None = None,
    card: str = "",
    spending: Spending | None = None,
) -> str:
    """Fill the empty folder `out`; return the digest. The manifest is written last: an incomplete bundle has none.

    card: the text of README.md; empty: none.

    Raises ContractError for a file that a bundle must not hold, or parts that do not belong together.
    """
    out.mkdir(parents=True, exist_ok=True)
    if any(out.iterdir()):
        raise ContractError(f"{out} is not empty; a bundle is built in a folder of its own")
    for name, source in _copies(sources).items():
        target = out / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)
    check_parts(out, info.n_items, info.catalogue, (info.encoder.digest, info.encoder.max_tokens))
    io.write_text(out / "info.json", canonical_json(info.model_dump(mode="json")))
    if made_by is not None:
        io.write_text(out / recipe.FILE, made_by.to_text())
    if spending is not None:
        io.write_text(out / accounting.FILE, canonical_json(spending.model_dump(mode="json")))
    if card:
        io.write_text(out / README, card)
    return write_manifest(out)


def open_bundle(folder: Path, digest: str | None = None) -> Bundle:
    """Return the bundle after checking every file against the manifest, and the manifest against `digest`.

    Raises TamperedError naming what is missing, changed, unexpected, a link, or of a kind that a bundle never holds;
    ContractError naming the part that belongs to another catalogue or language model.
    """
    actual = check_files(folder, digest)
    try:
        info = io.read_record(folder / "info.json", BundleInfo, "bundle_info", "fetch the bundle again")
    except ContractError as error:
        raise ContractError(f"bundle {actual[:12]}: info.json is not of this version of Carousel ({error})") from None
    check_parts(folder, info.n_items, info.catalogue, (info.encoder.digest, info.encoder.max_tokens))
    return Bundle(folder, actual, info)


def adapt_to_catalogue(bundle: Bundle, item_ids: list[str], as_judged: bool = False) -> Recommender:
    """Return the bundle's model as "champion": it takes and returns the item_idx of `item_ids` (row 0 is padding).

    as_judged: without what it learned after its verdict.

    Events on items that the bundle does not know are dropped from the history; such items score -inf.
    """
    return CatalogueAdapter(bundle.judged if as_judged else bundle.model, bundle.index, item_ids)


def _copies(sources: BundleSources) -> dict[str, Path]:
    """Return path in the bundle -> source file."""
    copies = {
        "items.parquet": sources.split / "items.parquet",
        "items.safetensors": sources.features / "items.safetensors",
        "drift_reference.parquet": sources.drift_reference,
    }
    folders = {"model": sources.model, "fallback": sources.fallback}
    optional = {"ranker": sources.ranker, "search": sources.search, "ann": sources.ann, "judged": sources.judged}
    folders |= {name: folder for name, folder in optional.items() if folder}
    if (sources.features / "sentiment/sentiment.json").is_file():
        folders["sentiment"] = sources.features / "sentiment"
    for name, folder in folders.items():
        copies |= {f"{name}/{inner}": folder / inner for inner in list_files(folder)}
    if sources.encoder:
        copies |= {f"encoder/{name}": sources.encoder / name for name in _encoder_files(sources.encoder)}
    return copies


def _encoder_files(folder: Path) -> list[str]:
    """Return the files that a bundle takes from an encoder's folder: weights, tokenizer and settings."""
    names = [name for name in FILES if (folder / name).is_file()]
    if not any(name.endswith(".safetensors") for name in names):
        raise ContractError(f"{folder.name}: expected an encoder with model.safetensors, got {names}")
    return names
