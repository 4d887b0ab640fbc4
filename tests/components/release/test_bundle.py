import shutil
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest

from components.contracts import Catalogue, Interactions, Users
from components.errors import ContractError, TamperedError
from components.privacy.accounting import Mechanism, Spending
from components.recommenders.factory import load_model
from components.release.bundle import BundleInfo, BundleSources, build_bundle, open_bundle

World = tuple[Interactions, Catalogue, Users]


def test_a_bundle_scores_like_its_source_model(bundle: Path, sources: BundleSources, world: World) -> None:
    users = world[2]
    opened = open_bundle(bundle)
    assert opened.digest == sha256((bundle / "manifest.json").read_bytes()).hexdigest()
    np.testing.assert_array_equal(opened.model.score(users), load_model(sources.model).score(users))
    assert opened.fallback.name == "popularity"
    assert opened.item_ids[:3] == ["", "sku-1", "sku-2"]
    assert opened.index["sku-7"] == 7
    assert "" not in opened.index
    assert opened.titles[1] == "odd red thing 1"
    assert opened.catalogue.embedding is not None
    assert opened.catalogue.embedding.shape == (21, 8)


def test_the_same_sources_give_the_same_bytes(sources: BundleSources, info: BundleInfo, tmp_path: Path) -> None:
    first = build_bundle(tmp_path / "a", sources, info)
    second = build_bundle(tmp_path / "b", sources, info)
    other = build_bundle(tmp_path / "c", sources, info.model_copy(update={"as_of": "later"}))
    assert first == second != other


def test_a_bundle_tells_what_was_spent_of_the_budget_of_privacy(
    bundle: Path, sources: BundleSources, info: BundleInfo, tmp_path: Path
) -> None:
    assert open_bundle(bundle).spending is None
    steps = Mechanism(name="sequence", noise_multiplier=1.5, sample_rate=0.05, steps=400)
    spent = Spending(epsilon=3.5, delta=1e-5, unit="user", accountant="PRV (opacus)", mechanisms=(steps,))
    build_bundle(tmp_path / "private", sources, info, spending=spent)
    assert open_bundle(tmp_path / "private").spending == spent


def test_a_pickle_in_a_model_folder_is_refused(sources: BundleSources, info: BundleInfo, tmp_path: Path) -> None:
    (sources.model / "extra.pkl").write_bytes(b"\x80\x04.")
    with pytest.raises(TamperedError, match=r"extra\.pkl"):
        build_bundle(tmp_path / "bundle", sources, info)
    assert not (tmp_path / "bundle/manifest.json").exists()


def test_only_weights_tokenizer_and_settings_of_an_encoder_are_copied(
    sources: BundleSources, info: BundleInfo, tmp_path: Path
) -> None:
    encoder = tmp_path / "encoder"
    encoder.mkdir()
    for name in ("model.safetensors", "config.json", "vocab.txt", "pytorch_model.bin", "modeling.py", "README.md"):
        (encoder / name).write_text("x")
    build_bundle(tmp_path / "bundle", replace(sources, encoder=encoder), info)
    inside = {
        p.relative_to(tmp_path / "bundle/encoder").as_posix()
        for p in (tmp_path / "bundle/encoder").rglob("*")
        if p.is_file()
    }
    assert inside == {"model.safetensors", "config.json", "vocab.txt"}
    assert open_bundle(tmp_path / "bundle")


def test_a_bundle_is_not_built_over_another(bundle: Path, sources: BundleSources, info: BundleInfo) -> None:
    with pytest.raises(ContractError, match="not empty"):
        build_bundle(bundle, sources, info)


def test_files_of_two_bundles_do_not_mix(
    bundle: Path, sources: BundleSources, info: BundleInfo, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    build_bundle(other, replace(sources, model=sources.model.parent / "neighbours"), info)
    shutil.copytree(other / "model", bundle / "model", dirs_exist_ok=True)
    with pytest.raises(TamperedError, match="model/"):
        open_bundle(bundle)
