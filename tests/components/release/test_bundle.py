import json
import os
import shutil
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest

from components.contracts import Catalogue, Interactions, Users
from components.errors import ContractError, TamperedError
from components.recommenders.factory import load_model
from components.release.bundle import BundleInfo, BundleSources, build_bundle, open_bundle

World = tuple[Interactions, Catalogue, Users]


def test_a_bundle_answers_like_the_model_that_went_in(bundle: Path, sources: BundleSources, world: World) -> None:
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


def test_same_sources_same_bytes(sources: BundleSources, info: BundleInfo, tmp_path: Path) -> None:
    first = build_bundle(tmp_path / "a", sources, info)
    second = build_bundle(tmp_path / "b", sources, info)
    other = build_bundle(tmp_path / "c", sources, info.model_copy(update={"as_of": "later"}))
    assert first == second != other


def test_one_flipped_byte_in_any_file_is_named(bundle: Path) -> None:
    names = [p for p in sorted(bundle.rglob("*")) if p.is_file()]
    assert len(names) >= 9
    for path in names:
        whole = path.read_bytes()
        digest = sha256((bundle / "manifest.json").read_bytes()).hexdigest()
        for at in (0, len(whole) // 2, len(whole) - 1):
            path.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
            with pytest.raises(TamperedError, match=path.name):
                open_bundle(bundle, digest)
        path.write_bytes(whole)
    assert open_bundle(bundle, digest)


@pytest.mark.parametrize("name", ["model/model.pkl", "model/code.py", "weights.bin", "model/.hidden", "notes.txt"])
def test_a_file_that_is_not_in_the_manifest_is_refused(bundle: Path, name: str) -> None:
    (bundle / name).write_text("x")
    with pytest.raises(TamperedError, match=Path(name).name):
        open_bundle(bundle)


def test_a_missing_file_is_named(bundle: Path) -> None:
    (bundle / "fallback/model.json").unlink()
    with pytest.raises(TamperedError, match=r"fallback/model\.json"):
        open_bundle(bundle)


def test_links_and_special_files_are_refused(bundle: Path, tmp_path: Path) -> None:
    moved = tmp_path / "items.parquet"
    (bundle / "items.parquet").rename(moved)
    (bundle / "items.parquet").symlink_to(moved)
    with pytest.raises(TamperedError, match=r"items\.parquet: a link"):
        open_bundle(bundle)
    (bundle / "items.parquet").unlink()
    moved.rename(bundle / "items.parquet")
    os.mkfifo(bundle / "pipe.json")
    with pytest.raises(TamperedError, match="special"):
        open_bundle(bundle)
    (bundle / "pipe.json").unlink()
    link = tmp_path / "elsewhere"
    link.symlink_to(bundle)
    with pytest.raises(TamperedError, match="link"):
        open_bundle(link)


@pytest.mark.parametrize(
    "name", ["../outside.json", "/etc/passwd.json", "a/../../b.json", "a\\b.json", "./info.json", "a//b.json", "x.pkl"]
)
def test_a_manifest_cannot_name_what_lies_outside_or_runs(bundle: Path, name: str) -> None:
    tree = json.loads((bundle / "manifest.json").read_text())
    tree["files"][name] = {"sha256": "0" * 64, "bytes": 1}
    (bundle / "manifest.json").write_text(json.dumps(tree))
    with pytest.raises(TamperedError, match="refused"):
        open_bundle(bundle)


@pytest.mark.parametrize(
    "text", ["", "null", "[]", "{}", '{"format": 1}', '{"format": 1, "files": {"a.json": 3}}', "\x00"]
)
def test_what_is_no_manifest_is_refused(bundle: Path, text: str) -> None:
    (bundle / "manifest.json").write_text(text)
    with pytest.raises(TamperedError, match="not a manifest"):
        open_bundle(bundle)


def test_another_format_is_refused(bundle: Path) -> None:
    tree = json.loads((bundle / "manifest.json").read_text()) | {"format": 2}
    (bundle / "manifest.json").write_text(json.dumps(tree))
    with pytest.raises(ContractError, match="format 2"):
        open_bundle(bundle)


def test_a_half_written_bundle_is_refused(bundle: Path) -> None:
    (bundle / "manifest.json").unlink()
    with pytest.raises(TamperedError, match="half written"):
        open_bundle(bundle)


def test_a_pickle_in_a_model_folder_does_not_get_in(sources: BundleSources, info: BundleInfo, tmp_path: Path) -> None:
    (sources.model / "extra.pkl").write_bytes(b"\x80\x04.")
    with pytest.raises(TamperedError, match=r"extra\.pkl"):
        build_bundle(tmp_path / "bundle", sources, info)
    assert not (tmp_path / "bundle/manifest.json").exists()


def test_an_encoder_brings_weights_and_settings_only(sources: BundleSources, info: BundleInfo, tmp_path: Path) -> None:
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
