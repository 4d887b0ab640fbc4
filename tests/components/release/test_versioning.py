import shutil
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import yaml

from components.errors import BusyError, ReleaseError
from components.release import versioning
from components.release.digests import dvc_digest
from components.release.versioning import is_changed, make_workspace, reproduce_stage, restore, stage_order
from components.release.warm_client import SOCKET
from tests.components.release.tiny_repo import STAGES, call, commit, make_repo


def run_all(root: Path, env: dict[str, str] | None = None) -> list[str]:
    """Return the names of the stages that ran."""
    return [s for s in STAGES if reproduce_stage(root, s, 60, env).ran]


def outputs(root: Path) -> dict[str, str]:
    return {out: dvc_digest(root / out) for out in ("data/snapshot", "data/split", "reports/evaluate", "bundle")}


def cache_file(root: Path, text: str) -> Path:
    (file,) = (p for p in (root / ".dvc/cache/files").rglob("*") if p.is_file() and p.read_text() == text)
    return file


def damage(file: Path) -> None:
    file.chmod(0o644)
    file.write_text(file.read_text().swapcase())
    file.chmod(0o444)


def set_knob(root: Path, knob: int) -> None:
    (root / "run/params.yaml").write_text((root / "run/params.yaml").read_text().replace("knob: 1", f"knob: {knob}"))


def test_stages_are_in_topological_order(repo: Path) -> None:
    order = stage_order(repo)
    assert set(order) == {"resolve", *STAGES}
    assert order.index("ingest") < order.index("split") < order.index("evaluate") < order.index("package")
    assert order.index("resolve") < order.index("evaluate")


def test_a_stage_that_ran_has_its_work_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(SOCKET)  # no warm process: a fresh interpreter runs DVC
    root = make_repo(tmp_path / "new")
    assert is_changed(root, "ingest")
    run = reproduce_stage(root, "ingest", 60, {})
    assert (run.name, run.ran, run.work_s) == ("ingest", True, 0.25)
    assert run.seconds >= 0.25
    assert not is_changed(root, "ingest")


def test_an_unchanged_stage_starts_no_process(repo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run_all(repo)
    started: list[object] = []
    for start in ("run_warm", "run_guarded"):
        monkeypatch.setattr(versioning, start, lambda *arguments: started.append(arguments))
    runs = [reproduce_stage(repo, stage, 60) for stage in STAGES]
    assert not any(run.ran or run.work_s for run in runs)
    assert not started


@pytest.mark.slow
def test_a_parameter_reruns_only_the_stages_that_depend_on_it(repo: Path) -> None:
    set_knob(repo, 2)
    assert [is_changed(repo, stage) for stage in STAGES] == [False, False, True, False]
    assert run_all(repo) == ["evaluate", "package"]


@pytest.mark.slow
def test_unchanged_stages_are_returned_until_one_has_changed(repo: Path) -> None:
    run_all(repo)
    assert versioning.unchanged_stages(repo) == [name for name in stage_order(repo) if name != "resolve"]
    set_knob(repo, 7)
    assert versioning.unchanged_stages(repo) is None


def test_an_earlier_result_comes_from_the_cache(repo: Path) -> None:
    before = outputs(repo)
    set_knob(repo, 2)
    run_all(repo)
    assert outputs(repo) != before
    (repo / "run/params.yaml").write_text((repo / "run/params.yaml").read_text().replace("knob: 2", "knob: 1"))
    assert run_all(repo) == []
    assert outputs(repo) == before


def test_an_unfinished_training_goes_on_in_the_next_run(repo: Path) -> None:
    (repo / "make.py").write_text((repo / "make.py").read_text() + "# changed\n")  # all stages run
    stopped = [s for s in STAGES if reproduce_stage(repo, s, 60, {"UNFINISHED": "1"}).ran]
    assert stopped == list(STAGES)
    assert run_all(repo, {"UNFINISHED": "1"}) == ["split"]  # nothing has changed; it is still unfinished
    shutil.rmtree(repo / "data/split")  # DVC has an unfinished result for these inputs in its cache
    assert run_all(repo) == ["split", "evaluate"]
    assert [p.name for p in (repo / "data/split").iterdir()] == ["rows.txt"]
    assert run_all(repo) == []


def test_a_damaged_cache_object_is_found_and_rebuilt(repo: Path) -> None:
    """DVC alone would check out the wrong bytes, exit 0, and report the stage as unchanged."""
    before = outputs(repo)
    damage(cache_file(repo, "ROWS 3"))
    shutil.rmtree(repo / "data/split")
    run = reproduce_stage(repo, "split", 60)
    assert run.ran
    assert (repo / "data/split/rows.txt").read_text() == "ROWS 3"
    assert outputs(repo) == before
    assert not is_changed(repo, "split")


@pytest.mark.slow
def test_a_run_killed_in_a_stage_can_be_repeated(repo: Path) -> None:
    before = outputs(repo)
    for stage, out in (("ingest", "data/snapshot"), ("split", "data/split")):
        shutil.rmtree(repo / out)
        shutil.rmtree(repo / ".dvc/cache/runs")
        cached = call(repo, "find", ".dvc/cache/files", "-type", "f").split()
        for name in cached:
            (repo / name).unlink()
        with pytest.raises(ReleaseError, match=stage):
            reproduce_stage(repo, stage, 60, {"CRASH_AT": stage})
        run_all(repo)
        assert outputs(repo) == before


@pytest.mark.slow
def test_a_failing_stage_is_an_error_with_its_message(repo: Path) -> None:
    set_knob(repo, 3)
    with pytest.raises(ReleaseError, match="evaluate: expected 3 rows, came 2"):
        reproduce_stage(repo, "evaluate", 60, {"FAIL_AT": "evaluate"})
    assert run_all(repo) == ["evaluate", "package"]


@pytest.mark.slow
def test_a_stage_that_hangs_is_killed_after_its_timeout(repo: Path) -> None:
    set_knob(repo, 3)
    with pytest.raises(ReleaseError, match=r"not done after 3 s.*stage_timeout_s"):
        reproduce_stage(repo, "evaluate", 3, {"SLEEP_S": "3600"})
    assert run_all(repo) == ["evaluate", "package"]


def test_a_concurrent_run_is_a_busy_error(repo: Path, tmp_path: Path) -> None:
    set_knob(repo, 3)
    started = repo / "run/started/evaluate"
    started.unlink()
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(reproduce_stage, repo, "evaluate", 120, {"WAIT_FOR": str(tmp_path / "go")})
        try:
            while not started.exists():
                assert not first.done()
                time.sleep(0.05)
            with pytest.raises(BusyError):
                reproduce_stage(repo, "evaluate", 120)
        finally:
            (tmp_path / "go").touch()
        assert first.result().ran


def test_digests_are_those_of_dvc(repo: Path) -> None:
    lock = yaml.safe_load((repo / "dvc.lock").read_text())["stages"]
    recorded = {out["path"]: out["md5"] for stage in STAGES for out in lock[stage]["outs"]}
    assert outputs(repo) == recorded
    assert versioning.read_data_version(repo) == recorded["data/snapshot"]


def test_an_output_that_no_stage_writes_is_an_error(repo: Path) -> None:
    with pytest.raises(ReleaseError, match="names no output data/other"):
        restore(repo, "data/other")
    (repo / "dvc.lock").unlink()
    with pytest.raises(ReleaseError, match=r"dvc\.lock is missing"):
        versioning.read_data_version(repo)
    (repo / "dvc.lock").write_text("{half")
    with pytest.raises(ReleaseError, match="not YAML"):
        versioning.read_data_version(repo)


def test_a_relative_remote_is_below_the_checkout(repo: Path) -> None:
    assert versioning.remote_url(repo) == str(repo / ".carousel/remote")


@pytest.mark.slow
def test_a_workspace_shares_the_cache_and_reruns_no_stage(repo: Path, tmp_path: Path) -> None:
    (repo / "uncommitted.py").write_text("x = 1")
    (repo / "make.py").write_text("broken here, not in the revision")
    folder = make_workspace(repo, tmp_path / "spaces/one")
    assert not (folder / "uncommitted.py").exists()
    shutil.copytree(repo / "run", folder / "run")
    shutil.copytree(repo / "champion", folder / "champion")
    assert run_all(folder) == []
    assert outputs(folder) == outputs(repo)
    assert versioning.remote_url(folder) == versioning.remote_url(repo)


def test_a_stage_in_a_workspace_cannot_write_into_the_cache(repo: Path, tmp_path: Path) -> None:
    folder = make_workspace(repo, tmp_path / "one")
    shutil.copy(repo / "dvc.lock", folder / "dvc.lock")
    (folder / "run").mkdir()
    shutil.copy(repo / "run/params.yaml", folder / "run/params.yaml")
    restore(folder, "data/snapshot")
    file = folder / "data/snapshot/a.txt"
    file.chmod(0o644)
    file.write_text("overwritten in place")
    assert cache_file(repo, "rows 3").exists()


def test_a_workspace_is_updated_to_a_revision_and_keeps_its_outputs(repo: Path, tmp_path: Path) -> None:
    first = call(repo, "git", "rev-parse", "HEAD").strip()
    (repo / "new.py").write_text("x = 1")
    commit(repo)
    folder = make_workspace(repo, tmp_path / "one")
    assert (folder / "new.py").exists()
    (folder / "data").mkdir()
    (folder / "data/kept.txt").write_text("made here")
    (folder / "make.py").write_text("edited here")
    make_workspace(repo, folder, first)
    assert not (folder / "new.py").exists()
    assert (folder / "data/kept.txt").exists()
    assert (folder / "make.py").read_text() == (repo / "make.py").read_text()
    with pytest.raises(ReleaseError, match="git rev-parse"):
        make_workspace(repo, folder, "no-such-revision")


def test_the_lineage_of_a_bundle(repo: Path) -> None:
    found = versioning.read_lineage(repo, "b" * 64, "2026-03-01", "ease")
    assert found.git_revision == call(repo, "git", "rev-parse", "HEAD").strip()
    assert not found.git_dirty
    assert found.data_version == versioning.read_data_version(repo)
    assert len(found.params_digest) == 64
    (repo / "make.py").write_text("changed")
    assert versioning.read_lineage(repo, "b" * 64, "2026-03-01", "ease").git_dirty


def test_an_unknown_stage_is_an_error(repo: Path) -> None:
    with pytest.raises(ReleaseError, match="no stage fly"):
        is_changed(repo, "fly")
