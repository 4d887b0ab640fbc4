"""Large files of bundles: stored once, whatever the number of versions; older records are read as before."""

import json
import os
import shutil
import subprocess
import sys
from hashlib import sha256
from pathlib import Path

import pytest

from components.errors import TamperedError
from components.release.manifest import MANIFEST
from components.release.object_store import MIN_BYTES, StoredObject
from components.release.registry import Registry
from components.settings import Settings
from tests.components.release.support import register_in, remade

ENCODER = os.urandom(MIN_BYTES + 17)
OTHER = os.urandom(MIN_BYTES)
NAME = "encoder/model.safetensors"


def add_file(bundle: Path, content: bytes, name: str = NAME) -> Path:
    """Put a file into the bundle and its manifest."""
    (bundle / name).parent.mkdir(exist_ok=True)
    (bundle / name).write_bytes(content)
    manifest = json.loads((bundle / MANIFEST).read_text())
    manifest["files"][name] = {"sha256": sha256(content).hexdigest(), "bytes": len(content)}
    (bundle / MANIFEST).write_text(json.dumps(manifest))
    return bundle


@pytest.fixture
def bundles(bundle: Path, tmp_path: Path) -> list[Path]:
    """Return three bundles with the same encoder."""
    first = add_file(bundle, ENCODER)
    return [first, remade(first, tmp_path / "second", "b"), remade(first, tmp_path / "third", "c")]


def objects(settings: Settings) -> list[Path]:
    return sorted(p for p in settings.home.glob("mlflow-artifacts/objects/carousel/*/*") if p.is_file())


def size(folder: Path) -> int:
    return sum(p.stat().st_size for p in folder.rglob("*") if p.is_file())


def test_an_unchanged_encoder_is_stored_once(
    registry: Registry, settings: Settings, bundles: list[Path], run_folder: Path, tmp_path: Path
) -> None:
    sizes = []
    for bundle in bundles:
        register_in(registry, bundle, run_folder)
        sizes.append(size(settings.home / "mlflow-artifacts"))
    assert len(list(settings.home.rglob("model.safetensors"))) == 1
    assert max(sizes[1] - sizes[0], sizes[2] - sizes[1]) < MIN_BYTES / 4
    for number, bundle in enumerate(bundles, 1):
        fetched = registry.fetch(number, tmp_path / f"fetched-{number}/bundle")
        assert (fetched / NAME).read_bytes() == ENCODER
        assert sorted(p.relative_to(fetched) for p in fetched.rglob("*")) == sorted(
            p.relative_to(bundle) for p in bundle.rglob("*")
        )


def test_a_changed_encoder_is_another_object(
    registry: Registry, settings: Settings, bundles: list[Path], run_folder: Path, tmp_path: Path
) -> None:
    register_in(registry, bundles[0], run_folder)
    register_in(registry, add_file(bundles[1], OTHER), run_folder)
    assert {p.parent.name for p in objects(settings)} == {sha256(c).hexdigest() for c in (ENCODER, OTHER)}
    assert (registry.fetch(1, tmp_path / "a/bundle") / NAME).read_bytes() == ENCODER
    assert (registry.fetch(2, tmp_path / "b/bundle") / NAME).read_bytes() == OTHER


def test_a_version_whose_record_holds_all_files_is_read_as_before(
    registry: Registry, settings: Settings, bundles: list[Path], run_folder: Path, tmp_path: Path
) -> None:
    number = register_in(registry, bundles[0], run_folder)
    (record,) = settings.home.glob("mlflow-artifacts/*/artifacts/bundle")
    shutil.copytree(bundles[0], record, dirs_exist_ok=True)
    shutil.rmtree(settings.home / "mlflow-artifacts/objects")
    assert (registry.fetch(number, tmp_path / "fetched/bundle") / NAME).read_bytes() == ENCODER


def test_a_fetched_bundle_shares_the_encoder_with_the_one_beside_it(
    registry: Registry, settings: Settings, bundles: list[Path], run_folder: Path, tmp_path: Path
) -> None:
    for bundle in bundles[:2]:
        register_in(registry, bundle, run_folder)
    first, second = registry.fetch(1, tmp_path / "serving/a"), registry.fetch(2, tmp_path / "serving/b")
    assert (first / NAME).samefile(second / NAME)
    assert not (first / NAME).samefile(objects(settings)[0])  # damage on one side leaves the other


def test_a_damaged_bundle_beside_it_is_not_linked_to(
    registry: Registry, bundles: list[Path], run_folder: Path, tmp_path: Path
) -> None:
    for bundle in bundles[:2]:
        register_in(registry, bundle, run_folder)
    first = registry.fetch(1, tmp_path / "serving/a")
    (first / NAME).write_bytes(bytes(len(ENCODER)))
    (tmp_path / "serving/broken").mkdir()
    (tmp_path / "serving/broken" / MANIFEST).write_text("{")
    assert (registry.fetch(2, tmp_path / "serving/b") / NAME).read_bytes() == ENCODER
    assert (registry.fetch(1, tmp_path / "serving/a") / NAME).read_bytes() == ENCODER


def test_a_damaged_object_is_named_and_sent_again_by_the_next_version(
    registry: Registry, settings: Settings, bundles: list[Path], run_folder: Path, tmp_path: Path
) -> None:
    register_in(registry, bundles[0], run_folder)
    (stored,) = objects(settings)
    stored.write_bytes(bytes(len(ENCODER)))
    with pytest.raises(TamperedError, match=r"version 1 .*model\.safetensors"):
        registry.fetch(1, tmp_path / "fetched/bundle")
    register_in(registry, bundles[1], run_folder)
    for number in (1, 2):
        assert (registry.fetch(number, tmp_path / "fetched/bundle") / NAME).read_bytes() == ENCODER


@pytest.mark.parametrize("content", [b"", ENCODER[:1000]])
def test_a_half_sent_object_is_sent_again(
    registry: Registry, settings: Settings, bundles: list[Path], run_folder: Path, tmp_path: Path, content: bytes
) -> None:
    half = settings.home / "mlflow-artifacts/objects/carousel" / sha256(ENCODER).hexdigest() / "model.safetensors"
    half.parent.mkdir(parents=True)
    half.write_bytes(content)
    number = register_in(registry, bundles[0], run_folder)
    assert (registry.fetch(number, tmp_path / "fetched/bundle") / NAME).read_bytes() == ENCODER


def test_a_missing_object_is_named(
    registry: Registry, settings: Settings, bundles: list[Path], run_folder: Path, tmp_path: Path
) -> None:
    register_in(registry, bundles[0], run_folder)
    shutil.rmtree(objects(settings)[0].parent)
    with pytest.raises(TamperedError, match=r"files missing \['encoder/model\.safetensors'\]"):
        registry.fetch(1, tmp_path / "fetched/bundle")
    assert not (tmp_path / "fetched/bundle").exists()


def test_a_manifest_that_was_exchanged_names_no_file_to_fetch(
    registry: Registry, settings: Settings, bundles: list[Path], run_folder: Path, tmp_path: Path
) -> None:
    register_in(registry, bundles[0], run_folder)
    (manifest,) = settings.home.glob(f"mlflow-artifacts/*/artifacts/bundle/{MANIFEST}")
    manifest.write_text(manifest.read_text().replace(NAME, "../../outside.txt"))
    with pytest.raises(TamperedError, match="expected digest"):
        registry.fetch(1, tmp_path / "fetched/bundle")


def test_objects_are_listed_and_deleted(registry: Registry, bundles: list[Path], run_folder: Path) -> None:
    register_in(registry, bundles[0], run_folder)
    digest, experiment = sha256(ENCODER).hexdigest(), registry.runs.experiment_id()
    assert list(registry.objects.objects(experiment)) == [StoredObject(digest, len(ENCODER))]
    registry.objects.delete(experiment, digest)
    assert list(registry.objects.objects(experiment)) == []


@pytest.mark.parametrize("point", ["register:object", "register:bundle"])
def test_a_registration_killed_after_an_object_ends_with_one_version(
    registry: Registry, settings: Settings, bundles: list[Path], run_folder: Path, tmp_path: Path, point: str
) -> None:
    program = (
        "import sys; from pathlib import Path; from components.params import load\n"
        "from components.release.registry import Registry; from components.settings import Settings\n"
        "from tests.components.release.support import ROOT, register_in\n"
        "home, bundle, run = map(Path, sys.argv[1:])\n"
        "settings = Settings(home=home).resolved(home)\n"
        "register_in(Registry(settings, load(ROOT / 'params.yaml').release), bundle, run)\n"
    )
    command = [sys.executable, "-c", program, str(settings.home), str(bundles[0]), str(run_folder)]
    killed = subprocess.run(command, env=os.environ | {"CRASH_AT": point}, check=False, capture_output=True)
    assert killed.returncode == -9
    assert register_in(registry, bundles[0], run_folder) == 1
    assert list(registry.digests()) == [1]
    assert (registry.fetch(1, tmp_path / "fetched/bundle") / NAME).read_bytes() == ENCODER
