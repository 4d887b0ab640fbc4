"""Runs on Kubernetes: the deployments of prefect.yaml become Jobs, each of which works in a clone of its own."""

import asyncio
import os
import shutil
import subprocess
import tomllib
from pathlib import Path
from uuid import UUID

import kubernetes_validate
import pytest
from prefect.client.schemas.objects import FlowRun
from prefect.utilities.schema_tools import validate
from prefect.workers.process import ProcessJobConfiguration, ProcessWorker

from components.release.versioning import remote_url
from tests.infra.manifests import (
    CLASSES,
    COMPONENT,
    CONFIG,
    CONTAINERS,
    DOCKERFILE,
    POOL,
    PREFECT,
    ROOT,
    RUN,
    VERSIONS,
    make_job,
)


def test_all_images_are_of_this_version() -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    assert {container["image"] for container in CONTAINERS.values()} == {f"carousel:{version}"}
    assert ".[servers,kubernetes]" in DOCKERFILE


def test_every_deployment_is_of_a_class_of_runs() -> None:
    for deployment in PREFECT["deployments"]:
        assert deployment["work_pool"]["name"] == "carousel"
        assert deployment["work_pool"]["job_variables"] in CLASSES.values()
        assert "job_variables" not in deployment


@pytest.mark.parametrize("size", CLASSES)
def test_the_worker_makes_this_job(size: str, monkeypatch: pytest.MonkeyPatch) -> None:
    worker = pytest.importorskip(
        "prefect_kubernetes.worker", reason="the extra `kubernetes` is not installed", exc_type=ImportError
    )
    monkeypatch.setenv("CAROUSEL_NAMESPACE", "carousel")
    monkeypatch.setenv("CAROUSEL_IMAGE", CONFIG["carousel"]["CAROUSEL_IMAGE"])
    template, run = worker.KubernetesWorkerJobConfiguration.from_template_and_values, UUID(int=1)
    made = asyncio.run(template(POOL, CLASSES[size], client=object()))
    made.prepare_for_flow_run(FlowRun(id=run, name="quick-fox", flow_id=run))
    job = made.job_manifest
    for version in VERSIONS:
        spec = {k: v for k, v in job["spec"]["template"]["spec"].items() if k not in ("parallelism", "completions")}
        valid = job | {"spec": job["spec"] | {"template": job["spec"]["template"] | {"spec": spec}}}
        kubernetes_validate.validate(valid, version, strict=True)
    (container,) = job["spec"]["template"]["spec"]["containers"]
    (ours,) = make_job(CLASSES[size])["spec"]["template"]["spec"]["containers"]
    assert (container["image"], container["resources"], container["command"]) == (
        ours["image"],
        ours["resources"],
        ours["command"],
    )
    assert container["args"] == ["prefect", "flow-run", "execute"]
    assert [entry for entry in container["env"] if entry in ours["env"]] == ours["env"]
    assert job["spec"]["template"]["metadata"]["labels"][COMPONENT] == RUN


@pytest.mark.parametrize("size", CLASSES)
def test_a_process_pool_takes_the_variables_and_ignores_them(size: str) -> None:
    pool = ProcessWorker.get_default_base_job_template()
    make = ProcessJobConfiguration.from_template_and_values
    with_class, without = (asyncio.run(make(pool, dict(values), client=object())) for values in (CLASSES[size], {}))
    assert with_class == without
    validate(CLASSES[size], pool["variables"], raise_on_error=True, ignore_required=True)  # as the server does it


def test_a_run_works_in_a_clone_with_the_shared_cache_and_the_remote(tmp_path: Path) -> None:
    shop = tmp_path / "shop"
    shutil.copytree(ROOT / ".dvc", shop / ".dvc", ignore=shutil.ignore_patterns("cache", "tmp", "config.local"))
    for command in (["init", "--quiet"], ["add", "--all"], ["commit", "--quiet", "--message", "start"]):
        subprocess.run(["git", "-c", "user.name=a", "-c", "user.email=a@b", *command], cwd=shop, check=True)
    given = {
        "CAROUSEL_REPOSITORY": str(shop),
        "CAROUSEL_HOME": str(tmp_path / "home"),
        "CAROUSEL_CHECKOUT": str(tmp_path / "work/checkout"),
        "CAROUSEL_DVC_CACHE": str(tmp_path / "home/dvc"),
    }
    command = [ROOT / "infra/run.sh", "run", "python3", "-c", "import os; print(os.getcwd(), os.environ['PYTHONPATH'])"]
    without = {name: value for name, value in os.environ.items() if not name.startswith("CAROUSEL_")}
    refused = subprocess.run(command, env=without | given, capture_output=True, text=True, check=False)
    assert refused.returncode != 0
    assert "CAROUSEL_DVC_REMOTE: the clone is not kept" in refused.stderr  # its own remote would be lost with the pod
    given["CAROUSEL_DVC_REMOTE"] = "s3://carousel-dvc/shop"
    done = subprocess.run(command, env=without | given, capture_output=True, text=True, check=True)
    clone = Path(given["CAROUSEL_CHECKOUT"])
    folder, path = done.stdout.split()
    assert folder == path.partition(":")[0] == str(clone)
    assert remote_url(clone) == "s3://carousel-dvc/shop"
    assert f"dir = {given['CAROUSEL_DVC_CACHE']}\n" in (clone / ".dvc/config.local").read_text()
    status = subprocess.run(["git", "status", "--porcelain"], cwd=clone, capture_output=True, text=True, check=True)
    assert status.stdout == ""  # the version that a run registers is not marked as made with changes
