"""The doctor finds what would stop a run, and gives advice."""

import subprocess
from pathlib import Path

import pytest

from components.release.doctor import examine
from components.settings import Settings

ROOT = Path(__file__).parents[3]


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    for name in ("params.yaml", "constraints.txt", "dvc.yaml", ".dvc/config"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text((ROOT / name).read_text())
    subprocess.run(["git", "init", "--quiet", "."], cwd=tmp_path, check=True)
    subprocess.run(["git", "add", "."], cwd=tmp_path, check=True)
    identity = ["-c", "user.name=t", "-c", "user.email=t@example.org"]
    subprocess.run(["git", *identity, "commit", "--quiet", "-m", "x"], cwd=tmp_path, check=True)
    return tmp_path


def look(checkout: Path, *overrides: str) -> dict[str, tuple[bool, str, str]]:
    found = examine(checkout, Settings(home=checkout / "home").resolved(checkout), [], list(overrides))
    return {f.name: (f.ok, f.found, f.advice) for f in found}


def test_a_complete_checkout_is_ready(checkout: Path) -> None:
    found = look(checkout)
    assert all(ok for ok, _, _ in found.values()), found
    assert {
        "machine",
        "disk",
        "python",
        "packages",
        "params",
        "sources",
        "registry",
        "git",
        "DVC remote",
        "port",
    } <= set(found)
    assert not (checkout / "home").exists()


@pytest.mark.parametrize("override", ["trainer.max_epochs=-1", "models.hybrid.parts=[alz]"])
def test_a_wrong_parameter_is_named(checkout: Path, override: str) -> None:
    ok, text, _ = look(checkout, override)["params"]
    assert not ok
    assert override.partition("=")[0] in text


def test_a_missing_source_is_named(checkout: Path) -> None:
    (checkout / "p.csv").write_text("item_id\na\n")
    sources = "data.sources={products: [{path: p.csv}], events: [{path: gone.csv}]}"
    found = look(checkout, "data.simulated=false", sources)
    assert found["source products"][0]
    ok, text, advice = found["source events"]
    assert not ok
    assert "gone.csv" in text
    assert "data.sources.events" in advice
