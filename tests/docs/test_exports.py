"""Each overlay of docs/exports.md ends in a verdict on a small made-up shop."""

import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from components import params
from components.data.snapshot import read_snapshot_info
from components.release.warm import warm_process
from tests.docs.export_samples import EXPORTS, N_ITEMS, write_export
from tests.process_state import read_state, restore_state
from tests.support import ROOT

MOMENT = "2026-03-01T00:00:00+00:00"
CHEAP = {
    "language.pretrain.method": "none", "language.compress.variants": "[]", "language.max_tokens": 8,
    "evaluation.candidates": "[ease]", "models.hybrid.parts": "[popularity, ease]", "models.als.factors": 4,
    "models.sequence.dim": 16, "models.sequence.blocks": 1, "trainer.max_epochs": 1, "ranking.max_epochs": 1,
    "gate.min_users": 20, "drift.sample": 100,
}  # fmt: skip


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, dict[str, str]]]:
    """Return a clone for all overlays, and the environment of one warm process of the stages."""
    folder = tmp_path_factory.mktemp("exports") / "shop"
    subprocess.run(["git", "clone", "--quiet", str(ROOT), str(folder)], check=True)
    with warm_process(folder) as env:
        yield folder, env


@pytest.fixture(autouse=True)
def _process_state_restored() -> Iterator[None]:
    """Restore the logging that Prefect sets for the whole process."""
    before = read_state()
    yield
    restore_state(before)


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(EXPORTS))
def test_an_overlay_ends_in_a_verdict(
    name: str, checkout: tuple[Path, dict[str, str]], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from flows.passes import run_pass
    from flows.workspace import locked_workspace

    folder, env = checkout
    overlay = ROOT / "examples/exports" / f"{name}.yaml"
    lines = [f"{key}={value}" for key, value in CHEAP.items()]
    if not params.names_as_of(ROOT / "params.yaml", [overlay], lines):
        lines.append(f'data.as_of="{MOMENT}"')
    end = params.load(ROOT / "params.yaml", [overlay], lines).data.as_of
    write_export(name, tmp_path, end)
    monkeypatch.chdir(folder)
    monkeypatch.setenv("CAROUSEL_HOME", str(folder / ".carousel"))
    monkeypatch.setenv("CAROUSEL_DATA_ROOT", str(tmp_path))
    with locked_workspace([str(overlay)], lines, None, "a test") as workspace:
        done = run_pass(replace(workspace, env=workspace.env | env), bootstrap=True)
    counts = read_snapshot_info(folder / "data/snapshot").counts
    assert counts["products"].valid == N_ITEMS
    assert (counts["events"].quarantined, counts["events"].after_as_of) == (0, 0)
    assert done.decision is not None
    assert done.decision.verdict in ("promote", "keep")
    assert [c.why for c in done.decision.checks if not c.passed and c.name.startswith("data: ")] == []
