"""The champion's closed-form parts after deletions are those of a fit that never saw the users; the others stay."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from safetensors.numpy import load_file, save_file

from components.contracts import WINDOWS, Catalogue, Completion, Interactions, Lineage
from components.data.tables import SplitInfo, read_catalogue, read_training, shown_file
from components.io import write_record
from components.offline.unlearn import STORED, erase_split, find_users, refit_closed_form, unlearn_champion
from components.origin import Origin, catalogue_digest, stamp
from components.params import BlendParams, Params, SelectionParams, load
from components.recommenders.cold_items import ColdItemSmoother
from components.recommenders.factory import create
from components.recommenders.hybrid import HybridRecommender
from components.release.bundle import BundleInfo, BundleSources, EncoderInfo, build_bundle, open_bundle
from components.release.ledger import Ledger
from components.release.mlflow_connection import ENVIRONMENT
from components.release.recipe import Recipe
from components.release.registry import Registry
from components.release.runs import RunFiles
from components.settings import Settings
from components.times import to_datetime, to_iso
from components.tombstones import Forgotten, tombstone
from tests.components.release.support import write_items, write_run
from tests.support import ROOT, checkerboard

KEY = b"k" * 32
PARTS = ["popularity", "ease", "interests", "transitions"]
ENCODER = "0" * 64


@pytest.fixture(scope="module")
def params() -> Params:
    return load(ROOT / "params.yaml", overrides=["models.ease.l2=5"])


def ids(*users: int) -> Forgotten:
    return Forgotten(KEY, {tombstone(f"user-{n}", KEY): 1 for n in users})


def with_shown(events: Interactions) -> Interactions:
    """Return the events with impressions: beside each product that a user took, the next one."""
    shown = replace(events, item_idx=events.item_idx % events.n_items + 1, event=np.full_like(events.event, 4))
    return replace(events, shown=shown)


def write_split(split: Path, events: Interactions, catalogue: Catalogue) -> None:
    write_items(split, catalogue)
    for file, rows in (("{}", events), (shown_file("{}"), with_shown(events).shown)):
        columns = {name: getattr(rows, name) for name in ("user_idx", "item_idx", "timestamp", "event", "weight")}
        table = pa.table({**columns, "target": np.ones(len(events), bool)})
        for window in WINDOWS:
            part = table if window == "train" else table.slice(0, 3)
            pq.write_table(part, split / f"{file.format(window)}.parquet", write_page_checksum=True)
    known = np.arange(1, events.n_users + 1, dtype=np.int32)
    users = pa.table({"user_idx": known, "user_id": [f"user-{n}" for n in known]})
    pq.write_table(users, split / "users.parquet", write_page_checksum=True)
    info = SplitInfo(
        protocol="global_time", train_end=events.now, validation_end=events.now + 1, test_end=events.now + 2,
        n_users=events.n_users, n_items=events.n_items, max_history=50, simulated=True,
    )  # fmt: skip
    write_record(split / "split.json", info)


def build(root: Path, params: Params, completed: bool = False) -> str:
    """Write split, features, a blend of four closed-form models and its bundle; return the digest.

    completed: the blend that answers has learned all windows; the one that was judged is beside it.
    """
    events, catalogue, users = checkerboard()
    write_split(root / "data/split", events, catalogue)
    (root / "features").mkdir()
    assert catalogue.embedding is not None
    save_file({"embedding": catalogue.embedding.astype(np.float16)}, root / "features/items.safetensors")
    pq.write_table(pa.table({"price": [1.0]}), root / "reference.parquet", write_page_checksum=True)
    catalogue = read_catalogue(root / "data/split", root / "features")
    equal = dict.fromkeys(PARTS, 0.25)
    blend = BlendParams(parts=PARTS, weights={"cold": equal, "warm": equal}, cold_item_blend_weight=0.5)
    chosen = SelectionParams(
        recommender="hybrid", best_simple="ease", language=ENCODER, sequence_epochs=None, ranker_epochs=None,
        blend=blend, selected_until=to_datetime(events.now), search=None,
    )  # fmt: skip
    events, later = (read_training(root / "data/split", windows) for windows in (None, WINDOWS))
    models = root / "models"
    for folder, learned in (("judged", events), ("hybrid", later if completed else events)):
        model = HybridRecommender.of_parts({n: create(n, params).fit(learned, catalogue, users) for n in PARTS}, params)
        model.fixed = blend
        model.blend(users, events.n_items, ColdItemSmoother.of(learned, catalogue, 5)).save(models / folder)
    model.parts["popularity"].save(models / "popularity")
    origin = Origin(catalogue=catalogue_digest(catalogue.item_id), encoder=ENCODER)
    for folder in (models, root / "features"):
        stamp(folder, origin)
    info = BundleInfo(
        model="hybrid", as_of="2026-03-01T00:00:00+00:00", train_end=events.now, validation_end=events.now + 1,
        n_items=events.n_items, max_history=50, exclude_seen=True, weights={"purchase": 1.0}, simulated=True,
        encoder=EncoderInfo(model="minilm", digest=ENCODER, dim=8, max_tokens=8), catalogue=origin.catalogue,
    )  # fmt: skip
    split, reference = root / "data/split", root / "reference.parquet"
    sources = BundleSources(models / "hybrid", models / "popularity", split, root / "features", reference)
    if completed:
        done = Completion(judged_until=to_iso(events.now), learned_until=to_iso(later.now), models=PARTS, checks=[])
        info, sources = info.model_copy(update={"completion": done}), replace(sources, judged=models / "judged")
    return build_bundle(root / "bundle", sources, info, Recipe.of(params, chosen, "code"), "# Card\n")


@pytest.fixture
def checkout(tmp_path: Path, params: Params, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Registry]:
    """Return a checkout whose bundle, a blend of four closed-form models, is version 1 and serves."""
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    root = tmp_path / "checkout"
    digest, made = build(root, params), write_run(root)
    registry = Registry(Settings(home=tmp_path / "home").resolved(root), params.release)
    registry.prepare()
    lineage = Lineage(
        git_revision="0" * 40, git_dirty=False, data_version="d.dir", params_digest="p", bundle_digest=digest,
        as_of="2026-03-01T00:00:00+00:00", model="hybrid",
    )  # fmt: skip
    files = RunFiles({"m": 0.5}, made / "reports", made / "run/params.yaml", made / "dvc.lock", "ndcg_at_10")
    number = registry.register(root / "bundle", lineage, files)
    registry.move("champion", number)
    ledger = Ledger(registry.settings.shop(registry.name))
    ledger.close(ledger.begin("promote", number, None, digest, "d" * 64), "done", "")
    return root, registry


def unlearn(checkout: tuple[Path, Registry], params: Params, *users: int) -> int | None:
    root, registry = checkout
    return unlearn_champion(root, registry.settings, params, registry, ids(*users))


def assert_never_saw(registry: Registry, number: int, params: Params, users: list[int], folder: Path) -> None:
    """Compare each part of the version with a fit on events in which the users do not occur."""
    bundle = open_bundle(registry.fetch(number, folder / f"v{number}"))
    events, _, validation = checkerboard()
    left = events.filter(~np.isin(events.user_idx, users))
    moved = left.user_idx - np.searchsorted(np.array(users), left.user_idx)
    left = with_shown(replace(left, user_idx=moved.astype(np.int32), n_users=events.n_users - len(users)))
    for name in PARTS:
        create(name, params).fit(left, bundle.catalogue, validation).save(folder / f"fit{number}" / name)
        wanted = load_file(folder / f"fit{number}" / name / "arrays.safetensors")
        found = load_file(bundle.folder / "model/parts" / name / "arrays.safetensors")
        assert wanted.keys() == found.keys()
        for key in wanted:
            np.testing.assert_allclose(found[key], wanted[key], atol=1e-5)
    assert (
        f"{len(users) if number == 2 else 1} users of the training window" in (bundle.folder / "README.md").read_text()
    )


def test_two_deletions_in_a_row_leave_parts_that_never_saw_the_users(
    checkout: tuple[Path, Registry], params: Params, tmp_path: Path
) -> None:
    root, registry = checkout
    first = registry.version(1)
    assert unlearn(checkout, params, 7, 12) == 2
    assert registry.aliases()["champion"] == 2
    assert registry.version(2).fitted_at == first.created_at
    assert_never_saw(registry, 2, params, [7, 12], tmp_path)
    shutil.rmtree(root / "data")  # `carousel forget` removes what was computed from the snapshot
    shutil.rmtree(root / "bundle")
    assert unlearn(checkout, params, 7, 12, 20) == 3
    assert_never_saw(registry, 3, params, [7, 12, 20], tmp_path)
    assert registry.version(3).fitted_at == first.created_at
    serving = Ledger(registry.settings.shop(registry.name)).serving_stack()
    assert [deployment.version for deployment in serving] == [1, 2, 3]
    stored = registry.settings.shop(registry.name) / STORED
    assert not len(find_users(stored / "split", ids(7, 12, 20)))
    assert len(find_users(stored / "split", ids(8))) == 1


def test_a_champion_that_learned_its_holdout_is_fitted_again_as_judged_and_as_it_serves(
    tmp_path: Path, params: Params
) -> None:
    build(tmp_path, params, completed=True)
    bundle, split, copy = open_bundle(tmp_path / "bundle"), tmp_path / "data/split", tmp_path / "copy"
    shutil.copytree(bundle.folder, copy)
    gone = [1, 7]  # user 1 has events in each window
    digest = refit_closed_form(copy, bundle, bundle.recipe_params(params), split, np.array(gone, np.int32))
    erase_split(split, tmp_path / "left", np.array(gone, np.int32))
    _, _, validation = checkerboard()
    for folder, windows in (("model", WINDOWS), ("judged", WINDOWS[:1])):
        left = read_training(tmp_path / "left", windows)
        for name in PARTS:
            create(name, params).fit(left, bundle.catalogue, validation).save(tmp_path / folder / name)
            wanted = load_file(tmp_path / folder / name / "arrays.safetensors")
            found = load_file(copy / folder / "parts" / name / "arrays.safetensors")
            assert wanted.keys() == found.keys()
            for key in wanted:
                np.testing.assert_allclose(found[key], wanted[key], atol=1e-5)
    assert open_bundle(copy, digest).info == bundle.info


def test_nothing_changes_where_the_champion_saw_none_of_them_or_its_window_is_not_known(
    checkout: tuple[Path, Registry], params: Params
) -> None:
    root, registry = checkout
    assert unlearn(checkout, params, 999) is None
    shutil.rmtree(root / "data/split")
    assert unlearn(checkout, params, 7) is None
    assert registry.aliases()["champion"] == 1
    assert list(registry.digests()) == [1]


def test_a_split_without_users_is_numbered_as_if_they_had_never_come(tmp_path: Path) -> None:
    events, catalogue, _ = checkerboard()
    write_split(tmp_path / "split", events, catalogue)
    erase_split(tmp_path / "split", tmp_path / "out", np.array([1, 40], np.int32))
    users = pq.read_table(tmp_path / "out/users.parquet")
    assert users["user_idx"].to_pylist() == list(range(1, 39))
    assert users["user_id"].to_pylist() == [f"user-{n}" for n in range(2, 40)]
    left, stays = read_training(tmp_path / "out"), (events.user_idx > 1) & (events.user_idx < 40)
    assert (left.n_users, len(left)) == (38, len(events) - 12)
    for found, before in ((left, events), (left.shown, with_shown(events).shown)):
        assert found is not None
        assert before is not None
        np.testing.assert_array_equal(found.item_idx, before.item_idx[stays])
        np.testing.assert_array_equal(found.user_idx, before.user_idx[stays] - 1)
