"""The recipe: everything that determines a model except the data. Every bundle holds its own in recipe.json.

A retrain selects a recipe; a refresh fits the champion's on newer data. Equal recipes have equal digests, whatever the
data that they were fitted on.
"""

from __future__ import annotations

import json
import logging
import os
import shutil
from collections.abc import Iterator
from datetime import datetime
from difflib import unified_diff
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Self

import components
from components import io
from components.contracts import Record
from components.errors import ContractError, ReleaseError, TamperedError
from components.params import Params, Section, SelectionParams
from components.release.manifest import canonical_json

if TYPE_CHECKING:
    from components.release.registry import Registry

log = logging.getLogger(__name__)
FILE = "recipe.json"
LATER = "use the version of Carousel that wrote it"  # advice for a recipe that cannot be read
CODE_FILE = Path("run/code.json")  # the digest of the code as of the start of a run
NOTE, LANGUAGE = Path("run/recipe/note.txt"), Path("run/recipe/language")  # the language model of a recipe
BASELINES = ("popularity", "neighbours")  # stand beside a recommender that is itself the best simple model
PRIVATE_BASELINES = ("popularity", "interests")  # where models learn with noise
ASIDE = {"selected_until", "best_simple"}  # of a selection, what changes no model
PRIVACY = (  # parameters of `privacy` that determine a model
    "epsilon", "delta", "sums_share", "sequence_share", "ranker_share", "clip_norm", "users_per_step", "max_items",
    "pair_items",
)  # fmt: skip
CODE = ("stages", "search", "ranking", "recommenders", "evaluation", "profiles", "language", "data")  # packages


class Recipe(Record):
    """recipe.json in a bundle."""

    params: dict[str, Any]  # those of the run that selected it which determine the model
    selection: SelectionParams
    code: str  # sha256 of the code of the packages in CODE

    @property
    def digest(self) -> str:
        """Return the sha256 that identifies the recipe."""
        return io.sha256_bytes(self.to_text().encode())

    @classmethod
    def of(cls, params: Params, selection: SelectionParams, code: str) -> Self:
        """Return the recipe of a pass with these parameters."""
        sections: dict[str, Section] = {
            "split": params.split,
            "profiles": params.profiles,
            "language": params.language,
            "recommend": params.recommend,
            "models": params.models,
            "trainer": params.trainer,
            "ranking": params.ranking,
            "search": params.search,
            "ann": params.ann,
        }
        chosen: dict[str, Any] = {name: section.model_dump(mode="json") for name, section in sections.items()}
        chosen["evaluation"] = {"cold_user_events": params.evaluation.cold_user_events}
        chosen["release"] = {"include_encoder": params.release.include_encoder}
        chosen["seed"] = params.seed
        if params.privacy.epsilon is not None:
            chosen["privacy"] = params.privacy.model_dump(mode="json", include={*PRIVACY})
        return cls(params=chosen, selection=selection, code=code)

    def apply(self, params: Params, not_before: datetime) -> Params:
        """Return the parameters of a pass that fits this recipe: its own values, and the shop's for everything else.

        not_before: end of the events that the champion learned from. Raises ValueError where this version of Carousel
        does not accept the recipe's values.
        """
        wanted, had = params.privacy.epsilon, self.params.get("privacy", {}).get("epsilon")
        if wanted is not None and (had is None or had > wanted):
            how = "without noise" if had is None else f"with privacy.epsilon {had:g}"
            raise ValueError(f"it was selected {how}, and privacy.epsilon is {wanted:g}: run `carousel retrain`")
        tree = params.model_dump(mode="json")
        for name, content in self.params.items():
            tree[name] = {**tree.get(name, {}), **content} if isinstance(content, dict) else content
        chosen, simple = self.selection.recommender, self.selection.best_simple
        tree["evaluation"]["candidates"] = [chosen]
        others = BASELINES if had is None else PRIVATE_BASELINES
        tree["evaluation"]["baselines"] = [next(name for name in (simple, *others) if name != chosen)]
        tree["selection"] = self.selection.model_dump(mode="json")
        tree["refresh"]["not_before"] = not_before.isoformat()
        return Params.model_validate(tree)

    def gives_same_model(self, other: Self) -> bool:
        """Return whether both fit the same recommender to the same data, with the same code.

        When the selection was made, and the simple model beside the recommender, do not matter.
        """
        mine, theirs = (r.model_dump(exclude={"code": True, "selection": ASIDE}) for r in (self, other))
        return mine == theirs

    def to_text(self) -> str:
        """Return the content of recipe.json: equal recipes give equal text."""
        return canonical_json(self.model_dump(mode="json"))

    def flat(self) -> dict[str, str]:
        """Return "params.trainer.max_epochs" -> "10" and so on, in order."""
        return dict(_flat(self.model_dump(mode="json"), ""))


def code_digest(root: Path) -> str:
    """Return the sha256 of the code that determines a model: that of the checkout, or else the installed one."""
    folder = root / "components"
    if not folder.is_dir():
        folder = Path(components.__path__[0])
    files = sorted(file for name in CODE for file in (folder / name).rglob("*.py"))
    rows = [f"{file.relative_to(folder).as_posix()} {io.sha256_file(file)}\n" for file in files]
    return io.sha256_bytes("".join(rows).encode())


def place_inputs(root: Path, champion: Path | None) -> None:
    """Write run/code.json, and run/recipe with the language model of the champion's bundle (hard links) or a note.

    champion: the bundle whose recipe is fitted; None: the pass selects one. Equal files are not written again.
    """
    note = "no recipe: this run selects one\n" if champion is None else "the recipe's language model, if it ships\n"
    for file, text in ((root / CODE_FILE, json.dumps({"digest": code_digest(root)}) + "\n"), (root / NOTE, note)):
        if not file.exists() or file.read_bytes() != text.encode():
            io.write_text(file, text)
    target = root / LANGUAGE
    shutil.rmtree(target, ignore_errors=True)
    if champion is not None and (champion / "encoder").is_dir():
        shutil.copytree(champion / "encoder", target, copy_function=os.link)


def read_code_digest(root: Path) -> str:
    """Return the digest of the code, as of the run's start."""
    return str(json.loads((root / CODE_FILE).read_bytes())["digest"])


def read_registered(registry: Registry, number: int) -> Recipe:
    """Return the recipe of a registered version; raises ReleaseError where it has none, or the copy is damaged."""
    digest = registry.version(number).recipe_digest
    if not digest:
        raise ReleaseError(f"version {number} has no recipe: it was registered before version 0.4 of Carousel")
    with TemporaryDirectory() as folder:
        file = registry.download_artifact(number, f"bundle/{FILE}", Path(folder))
        if io.sha256_file(file) != digest:
            raise TamperedError(f"version {number}: {FILE} in the registry is not the one that was registered")
        return io.read_record(file, Recipe, "recipe", LATER)


def have_same(registry: Registry, one: int, other: int) -> bool:
    """Return whether the recipes of two versions give the same model.

    False where one of them has none, or one of a later version of Carousel, which this one cannot read.
    """
    digests = {registry.version(number).recipe_digest for number in (one, other)}
    if "" in digests:
        return False
    try:
        return len(digests) == 1 or read_registered(registry, one).gives_same_model(read_registered(registry, other))
    except ContractError as error:
        log.warning("the recipes of versions %d and %d are not compared: %s", one, other, error)
        return False


def describe_versions(registry: Registry, one: int, other: int) -> str:
    """Return in which lines the recipes of two versions differ, with the git revision of each."""
    names = tuple(f"version {n} ({registry.version(n).lineage.git_revision[:12]})" for n in (one, other))
    return describe_difference(read_registered(registry, one), read_registered(registry, other), (names[0], names[1]))


def describe_difference(one: Recipe, other: Recipe, names: tuple[str, str]) -> str:
    """Return the lines in which two recipes differ, as a unified diff without context; "" where they are equal."""
    before, after = ([f"{name}: {value}" for name, value in recipe.flat().items()] for recipe in (one, other))
    lines = unified_diff(before, after, names[0], names[1], n=0, lineterm="")
    return "\n".join(line for line in lines if not line.startswith("@@"))


def _flat(tree: dict[str, Any], at: str) -> Iterator[tuple[str, str]]:
    for key, value in tree.items():
        if isinstance(value, dict) and value:
            yield from _flat(value, f"{at}{key}.")
        else:
            yield f"{at}{key}", json.dumps(value, ensure_ascii=False)
