"""Rules of this repository that no linter checks."""

import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[2]
SOURCES = sorted(p for package in ("components", "flows") for p in (ROOT / package).rglob("*.py"))


UNSAFE = re.compile(
    r"^\s*(?:import|from)\s+(?:pickle|cloudpickle|dill|joblib)\b|trust_remote_code=True|weights_only=False",
    re.MULTILINE,
)


def unsafe(path: Path) -> list[str]:
    return [f"{path}: {found.strip()}" for found in UNSAFE.findall(path.read_text(encoding="utf-8"))]


def test_no_pickle_and_no_remote_code(tmp_path: Path) -> None:
    assert len(SOURCES) > 400
    assert [found for path in SOURCES for found in unsafe(path)] == []
    for n, line in enumerate(
        ("  import pickle", "from joblib import load", "f(trust_remote_code=True, weights_only=False)")
    ):
        wrong = tmp_path / f"{n}.py"
        wrong.write_text(f"a = 1\n{line}\n")
        assert len(unsafe(wrong)) == line.count("=") + line.count("import"), line


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
