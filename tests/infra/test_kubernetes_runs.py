"""Runs on Kubernetes: the deployments of prefect.yaml become Jobs, each of which works in a clone of its own."""

import asyncio
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import tomllib
import urllib.request
from pathlib import Path
from typing import Any
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
    CONTAINERS,
    DOCKERFILE,
    IMAGE,
    NAMESPACE,
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


def test_worker_and_run_have_their_clone_in_one_place() -> None:
    """A deployment names the folder in which the worker has made it, and a run changes into that folder."""
    folders = {
        entry["value"]
        for name in ("worker", RUN)
        for entry in CONTAINERS[name]["env"]
        if entry["name"] == "CAROUSEL_CHECKOUT"
    }
    assert len(folders) == 1


@pytest.mark.slow
def test_a_server_takes_pool_and_deployments(tmp_path: Path) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    url = f"http://127.0.0.1:{port}/api"
    env = {name: value for name, value in os.environ.items() if not name.startswith(("CAROUSEL_", "PREFECT_"))}
    env |= {"CAROUSEL_HOME": str(tmp_path), "CAROUSEL_BIN": str(Path(sys.executable).parent), "PREFECT_API_URL": url}
    env |= {"CAROUSEL_POOL": "kubernetes", "CAROUSEL_NAMESPACE": NAMESPACE, "CAROUSEL_IMAGE": IMAGE}
    env |= {"CAROUSEL_PREFECT_PORT": str(port)}
    run = ROOT / "infra/run.sh"
    with (tmp_path / "server.log").open("wb") as log:
        server = subprocess.Popen([run, "prefect"], env=env, stdout=log, stderr=log, start_new_session=True)
    try:
        deadline = time.monotonic() + 120
        while subprocess.run([run, "answers", f"{url}/health"], env=env, check=False).returncode:
            assert server.poll() is None, (tmp_path / "server.log").read_text()
            assert time.monotonic() < deadline
            time.sleep(0.5)
        done = subprocess.run([run, "deploy"], env=env, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr

        def read(path: str) -> dict[str, Any]:
            with urllib.request.urlopen(f"{url}/{path}", timeout=60) as reply:
                return dict(json.loads(reply.read()))

        pool = read("work_pools/carousel")
        assert (pool["type"], pool["base_job_template"]) == ("kubernetes", POOL)
        for deployment in PREFECT["deployments"]:
            flow = deployment["entrypoint"].split(":")[1]
            found = read(f"deployments/name/{flow}/{deployment['name']}")
            assert found["job_variables"] == deployment["work_pool"]["job_variables"]
            (step,) = found["pull_steps"]
            assert step == {"prefect.deployments.steps.set_working_directory": {"directory": str(ROOT)}}
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        server.wait(60)


def test_every_deployment_is_of_a_class_of_runs() -> None:
    for deployment in PREFECT["deployments"]:
        assert deployment["work_pool"]["name"] == "carousel"
        assert deployment["work_pool"]["job_variables"] in CLASSES.values()
        assert "job_variables" not in deployment


@pytest.mark.parametrize("size", CLASSES)
def test_the_worker_makes_this_job(size: str) -> None:
    worker = pytest.importorskip(
        "prefect_kubernetes.worker", reason="the extra `kubernetes` is not installed", exc_type=ImportError
    )
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
