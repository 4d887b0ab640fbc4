"""The resources of infra/kubernetes as Kustomize renders them, and the Jobs that a worker makes of pool.json."""

import json
import re
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "infra/kubernetes"
VERSIONS = ("1.34", "1.37")
COMPONENT = "app.kubernetes.io/component"
RUN = "run"  # the component of a flow run, whose Job is made from pool.json
DOCKERFILE = (ROOT / "infra/Dockerfile").read_text(encoding="utf-8")
SCRIPT = (ROOT / "infra/run.sh").read_text(encoding="utf-8")
COMPOSE = yaml.safe_load((ROOT / "infra/compose.yaml").read_text(encoding="utf-8"))["services"]
GUIDE = (ROOT / "docs/kubernetes.md").read_text(encoding="utf-8")
PREFECT = yaml.safe_load((ROOT / "prefect.yaml").read_text(encoding="utf-8"))
CLASSES = {name: PREFECT["definitions"][name]["job_variables"] for name in ("small", "memory", "gpu")}


def render() -> list[dict[str, Any]]:
    """Return what Kustomize makes of the folder: all resources, in their namespace."""
    kustomization = yaml.safe_load((FOLDER / "kustomization.yaml").read_text(encoding="utf-8"))
    assert set(kustomization) == {"apiVersion", "kind", "namespace", "resources"}  # all that this function knows
    documents = []
    for name in kustomization["resources"]:
        documents += yaml.safe_load_all((FOLDER / name).read_text(encoding="utf-8"))
    for document in documents:
        if document["kind"] != "Namespace":
            document["metadata"]["namespace"] = kustomization["namespace"]
        for subject in document.get("subjects", []):
            subject["namespace"] = kustomization["namespace"]
    return documents


def fill(template: Any, values: dict[str, Any]) -> Any:
    """Return the template with a value for each placeholder, as a worker does it."""
    if isinstance(template, dict):
        return {key: fill(value, values) for key, value in template.items()}
    if isinstance(template, list):
        return [fill(value, values) for value in template]
    found = re.fullmatch(r"\{\{ (\S+) \}\}(.*)", template) if isinstance(template, str) else None
    if not found:
        return template
    return f"{values[found[1]]}{found[2]}" if found[2] else values[found[1]]


def make_job(variables: dict[str, Any]) -> dict[str, Any]:
    """Return the Job of a run with these job variables."""
    schema = POOL["variables"]["properties"]
    assert set(variables) <= set(schema)
    known = {name: variable["default"] for name, variable in schema.items() if "default" in variable} | variables
    known |= {"name": "quick-fox", "command": ["prefect"]}
    job: dict[str, Any] = fill(POOL["job_configuration"]["job_manifest"], known)
    for name in ("parallelism", "completions"):  # Prefect wants them here, where they have no effect
        assert job["spec"]["template"]["spec"].pop(name) == 1
    return job


RESOURCES = render()
CONFIG = {d["metadata"]["name"]: d["data"] for d in RESOURCES if d["kind"] == "ConfigMap"}
POOL_TEXT = (FOLDER / "pool.json").read_text(encoding="utf-8")
IMAGE, NAMESPACE = CONFIG["carousel"]["CAROUSEL_IMAGE"], "carousel"  # which infra/run.sh writes into pool.json
POOL = json.loads(POOL_TEXT.replace("CAROUSEL_IMAGE", IMAGE).replace("CAROUSEL_NAMESPACE", NAMESPACE))
JOB = make_job(CLASSES["memory"])
PODS: dict[str, dict[str, Any]] = {
    d["metadata"]["name"]: d["spec"]["template"] for d in RESOURCES if d["kind"] == "Deployment"
}
PODS[RUN] = JOB["spec"]["template"]
CONTAINERS = {name: pod["spec"]["containers"][0] for name, pod in PODS.items()}


def of_kind(kind: str) -> list[dict[str, Any]]:
    found = [d for d in RESOURCES if d["kind"] == kind]
    assert found, kind
    return found


def environment(name: str) -> dict[str, Any]:
    """Return the variables of a container: values, or where they come from."""
    container = CONTAINERS[name]
    found: dict[str, Any] = {}
    for source in container.get("envFrom", []):
        found |= CONFIG[source["configMapRef"]["name"]] if "configMapRef" in source else {}
    return found | {e["name"]: e.get("value", e.get("valueFrom")) for e in container.get("env", [])}


def selected(selector: dict[str, Any]) -> set[str]:
    """Return the pods that a label selector selects."""
    wanted = dict(selector.get("matchLabels", {}))
    allowed = {e["key"]: e["values"] for e in selector.get("matchExpressions", []) if e["operator"] == "In"}
    assert len(allowed) == len(selector.get("matchExpressions", []))
    labels = {name: pod["metadata"]["labels"] for name, pod in PODS.items()}
    return {
        name
        for name, own in labels.items()
        if wanted.items() <= own.items() and all(own.get(key) in values for key, values in allowed.items())
    }
