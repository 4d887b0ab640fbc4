"""Rules of this repository that no linter checks."""

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCES = sorted(p for package in ("components", "flows") for p in (ROOT / package).rglob("*.py"))


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: str(p.relative_to(ROOT)))
def test_no_pickle_and_no_remote_code(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert not re.search(r"^\s*(import|from)\s+(pickle|cloudpickle|dill|joblib)\b", text, re.MULTILINE)
    assert "trust_remote_code=True" not in text
    assert "weights_only=False" not in text


def test_outputs_of_runs_are_not_tracked() -> None:
    names = [
        "data/raw/x",
        "reports/x",
        ".carousel/x",
        "models/x",
        "applications/x",
        "profiles/x",
        "bundle/x",
        "run/params.yaml",
        "champion/x",
        ".venv",
    ]
    ignored = subprocess.run(
        ["git", "check-ignore", *names], cwd=ROOT, capture_output=True, text=True, check=False
    ).stdout.split()
    assert ignored == names
