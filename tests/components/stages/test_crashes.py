"""kill -9 before and after every stage, and inside training: the next run gives the digests of an undisturbed one."""

import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from components.errors import ReleaseError
from components.release import versioning
from components.release.warm import warm_process

ROOT = Path(__file__).parents[3]
TINY = {
    "shop.n_users": 60, "shop.n_items": 120, "shop.sessions_per_user": 15, "language.max_tokens": 16,
    "models.sequence.dim": 16, "models.als.factors": 8, "models.als.iterations": 3, "trainer.max_epochs": 2,
    "language.pretrain.max_steps": 2, "language.pretrain.checkpoint_every_steps": 1,
    "language.pretrain.texts_per_step": 4, "language.pretrain.pairs_per_step": 4, "trainer.checkpoint_every_steps": 1,
    "drift.sample": 1000,
}  # fmt: skip
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


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_run_killed_anywhere_ends_with_the_same_digests(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    env = {
        "CAROUSEL_HOME": str(tmp_path / "home"),
        "CAROUSEL_PARAMS": "",
        "CAROUSEL_OVERRIDES": "\n".join(f"{k}={v}" for k, v in TINY.items()),
    }
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    straight = checkout(tmp_path / "straight")
    crashing = checkout(tmp_path / "crashing")
    with warm_process(straight) as warm:  # the other checkout starts an interpreter for each stage
        for stage in versioning.stage_order(straight):
            assert versioning.reproduce_stage(straight, stage, TIMEOUT_S, env | warm).ran or stage == "resolve"
    for stage in versioning.stage_order(crashing):
        inside = {"finetune": ["finetune:step", "finetune:epoch"], "pretrain": ["pretrain:step"]}.get(stage, [])
        points = [f"{stage}:before", *inside, f"{stage}:after"]
        for point in points:
            with pytest.raises(ReleaseError, match=stage):
                versioning.reproduce_stage(crashing, stage, TIMEOUT_S, env | {"CRASH_AT": point})
        versioning.reproduce_stage(crashing, stage, TIMEOUT_S, env)
    assert digests(crashing) == digests(straight)
    assert not any(versioning.is_changed(crashing, s) for s in versioning.stage_order(crashing) if s != "resolve")
    assert not (crashing / "run/finetune").exists()
    assert not (crashing / "run/pretrain").exists()
