"""One private run from end to end: all stages, the verdict, and where the version states what it has spent.

    python tests/benchmarks/private_run.py

In a clone of this checkout, on a simulated shop of 300 users and 150 products; some 130 CPU seconds. Ends with an
AssertionError where something is missing.
"""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from components.params import load
from components.release.registry import Registry
from components.settings import Settings
from tests.components.stages.test_crashes import checkout

SMALL = {
    "shop.n_users": 300, "shop.n_items": 150, "shop.days": 60, "split.validation_days": 7, "split.test_days": 7,
    "language.pretrain.method": "none", "models.sequence.dim": 16, "models.sequence.blocks": 1,
    "models.sequence.max_length": 20, "trainer.max_epochs": 1, "trainer.accelerator": "cpu", "ranking.max_epochs": 1,
    "gate.min_users": 20, "privacy.epsilon": 4,
}  # fmt: skip
MODELS = {"popularity", "interests", "tfidf", "content", "transitions", "ease", "sequence"}  # that can learn with noise


def carousel(root: Path, *arguments: str) -> str:
    """Run the command in the checkout; return its standard output."""
    env = {name: value for name, value in os.environ.items() if not name.startswith(("CAROUSEL_", "PREFECT_"))}
    env |= {"PYTHONPATH": str(root), "CAROUSEL_HOME": str(root / ".carousel"), "DVC_NO_ANALYTICS": "1"}
    program = Path(sys.executable).parent / "carousel"
    done = subprocess.run([program, *arguments], cwd=root, env=env, capture_output=True, text=True)
    assert done.returncode == 0, f"{arguments}\n{done.stdout[-2000:]}\n{done.stderr[-3000:]}"
    return done.stdout


def check(folder: Path) -> str:
    """Run `carousel retrain` with privacy.epsilon=4 below the folder; return what the version has spent."""
    root = checkout(folder / "shop")
    values = [f"--set={name}={value}" for name, value in SMALL.items()]
    outcome = json.loads(carousel(root, "retrain", "--bootstrap", "--json", *values))
    assert (outcome["verdict"], outcome["champion"]) == ("promote", 1)
    assert set(json.loads((root / "reports/evaluate/evaluation.json").read_bytes())["test"]) == MODELS

    spent = json.loads((root / "bundle/privacy.json").read_bytes())
    assert 3 < spent["epsilon"] <= 4
    assert (spent["delta"], spent["unit"], spent["accountant"]) == (1e-5, "user", "PRV (opacus)")
    assert {part["name"] for part in spent["mechanisms"]} == {"sums", "sequence", "ranker", "ranker, mean rates"}

    said = f"epsilon {spent['epsilon']:.2f}, delta 1e-05, unit user, accountant PRV (opacus)"
    card = (root / "bundle/README.md").read_text(encoding="utf-8")
    assert f"Learned with noise: epsilon {spent['epsilon']:.2f}, delta 1e-05" in card
    assert "accountant: PRV (opacus)" in card
    settings = Settings(home=root / ".carousel").resolved(root)
    version = Registry(settings, load(root / "params.yaml").release).alias("champion")
    assert version is not None
    assert version.privacy == said  # the tag in MLflow
    assert json.loads(carousel(root, "status", "--json"))["champion"]["privacy"] == said
    assert "epsilon" in carousel(root, "status")  # as people read it
    return said


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        print(check(Path(folder)))
