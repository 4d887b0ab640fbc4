"""A version built again from git, the registry and the DVC cache, in a tiny repository with real tools."""

import json
import shutil
from hashlib import sha256
from pathlib import Path

import pytest

from components.contracts import ChampionRef, Evaluation
from components.errors import ReleaseError, TamperedError
from components.params import Params
from components.release import versioning
from components.release.manifest import write_manifest
from components.release.registry import Registry
from components.release.reproduce import METRICS, Reproduction, reproduce
from components.release.runs import RunFiles
from components.release.versioning import reproduce_stage
from components.settings import Settings
from tests.components.release.support import register_in
from tests.components.release.tiny_repo import call, commit, make_repo

pytestmark = pytest.mark.slow


def evaluation(champion: ChampionRef | None) -> str:
    return Evaluation(
        as_of="2026-03-01",
        protocol="global_time",
        window=("a", "b"),
        simulated=True,
        n_users=1,
        n_items=1,
        primary="ndcg_at_10",
        challenger="ease",
        baselines=[],
        champion=champion,
        champion_saw_test=False,
        validation={},
        test={},
        slices=[],
        overfit_gap={},
    ).model_dump_json()


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    return make_repo(tmp_path / "repo")


def run(repo: Path, champion: ChampionRef | None) -> None:
    env = {"EVALUATION": evaluation(champion)}
    for stage in ("ingest", "split", "evaluate", "package"):
        reproduce_stage(repo, stage, 60, env)


def register(repo: Path, registry: Registry, bundle: Path) -> int:
    """Register the run of the repository under a real bundle."""
    digest = sha256((bundle / "manifest.json").read_bytes()).hexdigest()
    lineage = versioning.read_lineage(repo, digest, "2026-03-01", "ease")
    metrics = json.loads((repo / METRICS).read_bytes())
    files = RunFiles(metrics, repo / "reports", repo / "run/params.yaml", repo / "dvc.lock", "ndcg_at_10")
    return registry.register(bundle, lineage, files)


def test_a_version_is_reproduced_after_later_changes(
    repo: Path, registry: Registry, settings: Settings, bundle: Path
) -> None:
    run(repo, None)
    number = register(repo, registry, bundle)
    then = json.loads((repo / METRICS).read_bytes())
    (repo / "make.py").write_text((repo / "make.py").read_text().replace("score / 7", "score / 8"))
    (repo / "run/params.yaml").write_text("rows: 99\nknob: 5\nflows: {stage_timeout_s: 60}\n")
    commit(repo)
    run(repo, None)
    found = reproduce(number, registry, settings, repo)
    assert isinstance(found, Reproduction)
    assert (found.equal, found.different, found.notes) == (True, [], [])
    assert found.then == found.now == then
    assert not found.same_bundle  # the tiny stage writes its own manifest
    assert (settings.home / found.workspace / "data/snapshot/a.txt").read_text() == "rows 3"
    assert json.loads((repo / METRICS).read_bytes()) != then  # the checkout is unchanged


def test_the_champion_of_that_evaluation_is_fetched(
    repo: Path, registry: Registry, settings: Settings, bundle: Path, made: Path, run_folder: Path
) -> None:
    served = Path(shutil.copytree(made / "bundle", run_folder / "served"))
    (served / "encoder").mkdir()
    (served / "encoder/model.safetensors").write_bytes(b"weights")
    (served / "manifest.json").unlink()
    write_manifest(served)
    champion = registry.ref(register_in(registry, served, run_folder))
    (repo / "champion/champion.json").write_text(champion.model_dump_json(indent=1) + "\n")
    with (repo / "run/params.yaml").open("a") as params:
        params.write("selection: {recommender: ease}\n")  # of a refresh: its language model is the champion's
    run(repo, champion)
    (bundle / "info.json").write_text((bundle / "info.json").read_text() + "\n")
    manifest = json.loads((bundle / "manifest.json").read_text())
    content = (bundle / "info.json").read_bytes()
    manifest["files"]["info.json"] = {"sha256": sha256(content).hexdigest(), "bytes": len(content)}
    (bundle / "manifest.json").write_text(json.dumps(manifest))
    number = register(repo, registry, bundle)
    assert number == 2
    (repo / "champion/champion.json").write_text("null\n")
    found = reproduce(number, registry, settings, repo)
    assert found.equal
    workspace = settings.home / found.workspace
    assert (workspace / "champion/bundle/manifest.json").exists()
    encoder = workspace / "champion/bundle/encoder/model.safetensors"
    assert (workspace / "run/recipe/language/model.safetensors").read_bytes() == encoder.read_bytes()
    assert (workspace / "run/code.json").exists()


def test_a_difference_is_named(repo: Path, registry: Registry, settings: Settings, bundle: Path) -> None:
    """The code of the run was edited and not committed: its revision gives other numbers; the note gives the reason."""
    (repo / "make.py").write_text((repo / "make.py").read_text().replace("score / 7", "score / 8"))
    run(repo, None)
    found = reproduce(register(repo, registry, bundle), registry, settings, repo)
    assert not found.equal
    assert found.different == ["test/ease/ndcg_at_10"]
    assert "changes that revision" in found.notes[0]


def test_missing_data_is_fetched_from_the_remote_or_is_an_error(
    repo: Path, registry: Registry, settings: Settings, bundle: Path
) -> None:
    run(repo, None)
    number = register(repo, registry, bundle)
    versioning.push(repo)
    for lost in (".dvc/cache", "data"):
        shutil.rmtree(repo / lost)
    assert reproduce(number, registry, settings, repo).equal
    for lost in (".dvc/cache", ".carousel/remote"):
        shutil.rmtree(repo / lost)
    with pytest.raises(TamperedError, match="data/snapshot"):
        reproduce(number, registry, settings, repo)


def test_a_record_that_contradicts_its_tags_is_refused(
    repo: Path, registry: Registry, settings: Settings, bundle: Path
) -> None:
    run(repo, None)
    number = register(repo, registry, bundle)
    (kept,) = settings.home.glob("mlflow-artifacts/*/artifacts/run/params.yaml")
    kept.write_text("rows: 4\nknob: 1\nflows: {stage_timeout_s: 60}\n")
    with pytest.raises(TamperedError, match="its tags say"):
        reproduce(number, registry, settings, repo)


def test_a_missing_revision_is_an_error(
    repo: Path, registry: Registry, settings: Settings, bundle: Path, params: Params
) -> None:
    run(repo, None)
    number = register(repo, registry, bundle)
    shutil.rmtree(repo / ".git")
    call(repo, "git", "init", "--quiet")
    call(repo, "git", "config", "user.email", "test@example.com")
    call(repo, "git", "config", "user.name", "Test")
    commit(repo)
    with pytest.raises(ReleaseError, match="git rev-parse"):
        reproduce(number, registry, settings, repo)
