"""kill -9 after every stage's work, before one's, and inside training: the next run gives the digests of an
undisturbed one, and so does a refresh.
"""

import shutil
import subprocess
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from components.contracts import ChampionRef
from components.errors import ReleaseError
from components.io import write_record
from components.release import versioning
from components.release.bundle import open_bundle
from components.release.warm import warm_process
from components.stages.resolve import resolve
from components.times import to_micros

ROOT = Path(__file__).parents[3]
TINY = {
    "shop.n_users": 60, "shop.n_items": 120, "shop.sessions_per_user": 15, "language.max_tokens": 16,
    "models.sequence.dim": 16, "models.als.factors": 8, "models.als.iterations": 3, "trainer.max_epochs": 2,
    "language.pretrain.method": "full", "language.pretrain.max_steps": 2, "language.pretrain.checkpoint_every_steps": 1,
    "language.pretrain.texts_per_step": 4, "language.pretrain.pairs_per_step": 4, "trainer.checkpoint_every_steps": 1,
    "drift.sample": 1000, "refresh.min_users": 10,
}  # fmt: skip
FIRST, LATER = "2026-02-22T00:00:00Z", "2026-03-01T00:00:00Z"  # data.as_of of the run and of the refresh
TIMEOUT_S = 300


def checkout(folder: Path) -> Path:
    """Return a clone of this checkout with the uncommitted work of its tracked files."""
    subprocess.run(["git", "clone", "--quiet", str(ROOT), str(folder)], check=True)
    diff = subprocess.run(["git", "diff", "HEAD", "--binary"], cwd=ROOT, capture_output=True, check=True).stdout
    if diff:
        subprocess.run(["git", "apply", "-"], cwd=folder, input=diff, check=True)
    return folder


def digests(folder: Path) -> dict[str, Any]:
    """Return the digest of each output that DVC caches; reports hold timings, so they may differ."""
    lock = yaml.safe_load((folder / "dvc.lock").read_text())
    outs = {o["path"]: o["md5"] for s in lock["stages"].values() for o in s.get("outs", [])}
    return {path: digest for path, digest in outs.items() if not path.startswith("reports/") or "evaluate" in path}


@pytest.fixture(scope="module")
def env(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Return the environment of the stages."""
    return {
        "CAROUSEL_HOME": str(tmp_path_factory.mktemp("home")),
        "CAROUSEL_PARAMS": "",
        "CAROUSEL_OVERRIDES": "\n".join(lines(FIRST)),
    }


@pytest.fixture(scope="module")
def warm_env(env: dict[str, str]) -> Iterator[dict[str, str]]:
    """Return that environment with one warm process for all checkouts: to import the libraries takes long."""
    with warm_process(ROOT) as warm:
        yield env | warm


@pytest.fixture(scope="module")
def straight(warm_env: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a checkout after an undisturbed run."""
    folder = checkout(tmp_path_factory.mktemp("straight") / "shop")
    for stage in versioning.stage_order(folder):
        assert versioning.reproduce_stage(folder, stage, TIMEOUT_S, warm_env).ran or stage == "resolve"
    return folder


def lines(as_of: str) -> list[str]:
    """Return the overrides of a run."""
    return [*(f"{k}={v}" for k, v in TINY.items()), f'data.as_of="{as_of}"']


def prepare_refresh(source: Path, folder: Path) -> Path:
    """Return a copy of the checkout where its own bundle is the champion, and the next stages fit its recipe."""
    shutil.copytree(source, folder, symlinks=True)
    shutil.rmtree(folder / "champion")
    shutil.copytree(folder / "bundle", folder / "champion/bundle")
    bundle = open_bundle(folder / "champion/bundle")
    ref = ChampionRef(version=1, digest=bundle.digest, model=bundle.info.model)
    write_record(folder / "champion/champion.json", ref)
    resolve(folder, [], lines(LATER), None, bundle)
    return folder


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_a_run_killed_anywhere_ends_with_the_same_digests(
    straight: Path, env: dict[str, str], warm_env: dict[str, str], tmp_path: Path
) -> None:
    crashing = checkout(tmp_path / "crashing")
    for stage in versioning.stage_order(crashing):
        inside = {"split": ["split:before"], "pretrain": ["pretrain:step"]}
        inside["finetune"] = ["finetune:step", "finetune:epoch"]
        points = [*inside.get(stage, []), f"{stage}:after"]
        every = env if stage in ("ingest", "package") else warm_env  # the first and last: in fresh interpreters
        for point in points:
            with pytest.raises(ReleaseError, match=stage):
                versioning.reproduce_stage(crashing, stage, TIMEOUT_S, every | {"CRASH_AT": point})
        versioning.reproduce_stage(crashing, stage, TIMEOUT_S, every)
    assert digests(crashing) == digests(straight)
    assert not any(versioning.is_changed(crashing, s) for s in versioning.stage_order(crashing) if s != "resolve")
    assert not (crashing / "run/finetune").exists()
    assert not (crashing / "run/pretrain").exists()


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_a_refresh_killed_at_every_stage_ends_with_the_same_digests(
    straight: Path, warm_env: dict[str, str], tmp_path: Path
) -> None:
    stages = [s for s in versioning.stage_order(straight) if s != "resolve"]
    whole, killed = (prepare_refresh(straight, tmp_path / name) for name in ("undisturbed", "killed"))
    for folder in (whole, killed):
        for stage in stages:
            for point in [f"{stage}:after"] if folder == killed else []:
                with pytest.raises(ReleaseError, match=stage):
                    versioning.reproduce_stage(folder, stage, TIMEOUT_S, warm_env | {"CRASH_AT": point})
            versioning.reproduce_stage(folder, stage, TIMEOUT_S, warm_env)
    assert digests(killed) == digests(whole)
    assert digests(killed)["bundle"] != digests(straight)["bundle"]
    info = open_bundle(killed / "bundle").info
    assert info.is_completed, info.completion
    assert info.learned_until == to_micros(datetime.fromisoformat(LATER)) > info.train_end
    assert not any(versioning.is_changed(killed, stage) for stage in stages)
