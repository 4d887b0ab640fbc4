"""The champion without forgotten users, as far as that takes seconds: its closed-form parts, by subtraction.

What was trained in steps (sequence model, ranker, language model) stays until the next refresh, and the version stays
marked. Needs the champion's training window: that of the checkout, which is there until another run replaces it, or
what the deletion before has stored.
"""

from __future__ import annotations

import logging
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from components import io
from components.contracts import WINDOWS, Catalogue, IntArray, Interactions, Users
from components.data.tables import read_info, read_training, shown_file
from components.errors import ContractError
from components.origin import Origin, stamp
from components.params import Params
from components.ragged import Ragged
from components.recommenders.cold_items import ColdItemSmoother
from components.recommenders.factory import SIMPLE, create
from components.recommenders.hybrid import HybridRecommender
from components.recommenders.sums import SummedRecommender, TrainingSums, sums_for
from components.recommenders.transitions import TransitionsRecommender
from components.release.bundle import Bundle, open_bundle
from components.release.champion import bundle_digest
from components.release.manifest import MANIFEST, README, write_manifest
from components.release.promotion import replace_champion
from components.release.registry import EVALUATION, Registry
from components.release.runs import RunFiles
from components.settings import Settings
from components.tombstones import Forgotten

log = logging.getLogger(__name__)
STORED = "unlearn"  # in the folder of a shop: bundle and split of the champion, for the next deletion
RECORD = ("run/params.yaml", "run/dvc.lock", f"reports/{EVALUATION}")
NOTE = """
## Forgotten users

{n} users of the training window were forgotten. {parts} were fitted again without them; what was trained in steps
still learned from them, and is replaced by the next refresh.
"""


def unlearn_champion(
    root: Path, settings: Settings, params: Params, registry: Registry, forgotten: Forgotten
) -> int | None:
    """Let a version serve whose closed-form parts never saw the users; return its number.

    None where the champion's training window is not known, or holds none of them: nothing is changed then.
    """
    stored = settings.shop(registry.name) / STORED
    serving = registry.serving()
    source = _find_training(root, stored, serving.digest if serving else None)
    if stored.is_dir() and source != stored:
        shutil.rmtree(stored)  # of an earlier champion
    if serving is None or source is None:
        return None
    split = source / ("split" if source == stored else "data/split")
    bundle = open_bundle(source / "bundle", serving.digest)
    if bundle.spending is not None:
        log.info("the champion learned with noise: a refresh removes the users; a fit now would spend more")
        return None
    users = find_users(split, forgotten)
    if not len(users) or read_info(split).fit_end != bundle.info.train_end:
        return None
    try:
        own = bundle.recipe_params(params)
    except ContractError as error:
        log.warning("the champion's closed-form parts are not fitted again: %s", error)
        return None
    with io.temporary_folder(stored) as work:
        shutil.copytree(bundle.folder, work / "new/bundle")
        digest = refit_closed_form(work / "new/bundle", bundle, own, split, users)
        erase_split(split, work / "new/split", users)
        number = _register(work / "new/bundle", digest, serving.version, own.evaluation.primary, registry, work)
        replace_champion(number, serving, registry, settings)
        shutil.rmtree(stored, ignore_errors=True)
        (work / "new").replace(stored)
    return number


def _find_training(root: Path, stored: Path, digest: str | None) -> Path | None:
    """Return the folder with the champion's bundle and its training window: the checkout, or what is stored for it."""
    if digest is None:
        return None
    if bundle_digest(stored / "bundle") == digest:
        return stored
    is_own = bundle_digest(root / "bundle") == digest and (root / "data/split/users.parquet").is_file()
    return root if is_own else None


def _register(bundle: Path, digest: str, number: int, primary: str, registry: Registry, work: Path) -> int:
    """Register the bundle with the record of the version that it was made from; return its number."""
    base = registry.version(number)
    recorded = {name: registry.download_artifact(number, name, work / "record") for name in RECORD}
    reports = work / "reports"
    io.write_bytes(reports / EVALUATION, recorded[f"reports/{EVALUATION}"].read_bytes())
    files = RunFiles(base.metrics, reports, recorded["run/params.yaml"], recorded["run/dvc.lock"], primary)
    made = registry.register(bundle, base.lineage.model_copy(update={"bundle_digest": digest}), files)
    if base.decision_digest:  # the sum of losses since the last retrain goes on
        registry.attach(made, registry.download_artifact(number, "reports/decision.json", work / "record"))
        registry.tag(made, "decision_digest", base.decision_digest)
    registry.tag(made, "fitted_at", base.fitted_at or base.created_at)
    return made


def erase_split(split: Path, out: Path, users: IntArray) -> None:
    """Write the split without these users (user_idx), numbered as if they had never come."""
    out.mkdir(parents=True)
    shutil.copyfile(split / "items.parquet", out / "items.parquet")
    shown = [name for name in map(shown_file, WINDOWS) if (split / f"{name}.parquet").is_file()]
    for name in (*WINDOWS, *shown, "users"):
        table = pq.read_table(split / f"{name}.parquet", page_checksum_verification=True)
        idx = table["user_idx"].to_numpy()
        left = table.filter(~np.isin(idx, users))
        moved = (idx - np.searchsorted(users, idx))[~np.isin(idx, users)].astype(np.int32)
        left = left.set_column(left.column_names.index("user_idx"), "user_idx", pa.array(moved))
        pq.write_table(left, out / f"{name}.parquet", compression="zstd", write_page_checksum=True)
    info = read_info(split)
    io.write_record(out / "split.json", info.model_copy(update={"n_users": info.n_users - len(users)}))


def find_users(split: Path, forgotten: Forgotten) -> IntArray:
    """Return the user_idx of forgotten users in a split, ascending."""
    table = pq.read_table(split / "users.parquet", page_checksum_verification=True)
    ids = table["user_id"].to_pylist()
    gone = forgotten.select(ids)
    return np.sort(table["user_idx"].to_numpy()[[user in gone for user in ids]]).astype(np.int32)


def refit_closed_form(folder: Path, bundle: Bundle, params: Params, split: Path, users: IntArray) -> str:
    """Replace the closed-form parts in `folder`, a copy of the bundle; return its new digest.

    params: those of the bundle's recipe. users: user_idx in the split that the bundle was fitted on.
    """
    is_completed = bundle.info.is_completed  # then model/ has learned the holdout, too
    if is_completed:
        _refit("judged", folder, bundle, params, read_training(split), users)
    events = read_training(split, WINDOWS if is_completed else None)
    fitted = _refit("model", folder, bundle, params, events, users)
    origin = Origin(catalogue=bundle.info.catalogue, encoder=bundle.info.encoder.digest)
    for name in ("model", "fallback", *(["judged"] if is_completed else [])):
        stamp(folder / name, origin)
    card = folder / README
    if card.is_file():
        text = NOTE.format(n=len(users), parts=", ".join(sorted(fitted)))
        io.write_text(card, card.read_text(encoding="utf-8") + text)
    (folder / MANIFEST).unlink()
    return write_manifest(folder)


def _refit(inner: str, folder: Path, bundle: Bundle, params: Params, events: Interactions, users: IntArray) -> set[str]:
    """Replace the closed-form parts of folder/inner, and with "model" the fallback; return which were fitted.

    events: those that it learned from. users: user_idx of those who are forgotten.
    """
    own, catalogue = folder / inner, bundle.catalogue
    is_own = np.isin(np.arange(events.n_users + 1), users)
    left = _without(events, users)
    hybrid = HybridRecommender.load(own) if bundle.info.model == HybridRecommender.name else None
    names = {"popularity", *(hybrid.parts if hybrid else [bundle.info.model])} & set(SIMPLE)
    models = {name: create(name, params) for name in sorted(names)}
    sums = sums_for(models.values(), events).subtract(events.filter_users(is_own)).drop_users(users)
    fitted = {name for name, model in models.items() if _fit(model, sums, left, catalogue)}
    if hybrid is not None:
        untouched = [name for name in hybrid.parts if name not in fitted]
        hybrid.parts = {name: models[name] if name in fitted else part for name, part in hybrid.parts.items()}
        if hybrid.smoother is not None and hybrid.smoother.blend_weight:
            smoother = ColdItemSmoother.of(left, catalogue, params.models.hybrid.cold_item_neighbour_pool)
            smoother.blend_weight, hybrid.smoother = hybrid.smoother.blend_weight, smoother
        shutil.rmtree(own)
        hybrid.save(own)
        for name in untouched:  # byte by byte what it was
            shutil.rmtree(own / "parts" / name)
            shutil.copytree(bundle.folder / inner / "parts" / name, own / "parts" / name)
    elif bundle.info.model in fitted:
        shutil.rmtree(own)
        models[bundle.info.model].save(own)
    if inner == "model":
        shutil.rmtree(folder / "fallback")
        models["popularity"].save(folder / "fallback")
    return fitted


def _fit(model: object, sums: TrainingSums, left: Interactions, catalogue: Catalogue) -> bool:
    """Fit a closed-form model without the users; return whether it is one."""
    if isinstance(model, SummedRecommender):
        model.fit_from(sums, catalogue)
    elif isinstance(model, TransitionsRecommender):
        model.fit(left, catalogue, _no_users(left))
    else:
        return False
    return True


def _without(events: Interactions, users: IntArray) -> Interactions:
    """Return the events of the others, without impressions, numbered as if the users had never come."""
    left = events.filter(~np.isin(events.user_idx, users))
    moved = (left.user_idx - np.searchsorted(users, left.user_idx)).astype(np.int32)
    return replace(left, user_idx=moved, n_users=events.n_users - len(users))


def _no_users(events: Interactions) -> Users:
    history: Ragged = events.by_user().slice(0, 0)
    return Users(np.zeros(0, np.int32), history, events.now)
