"""infra/kubernetes: valid in two versions of Kubernetes, and each name, port, path and variable is one that exists."""

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from components.serving.http.access import PROBES
from components.serving.http.app import SHUTDOWN_S
from components.serving.metrics import ServiceMetrics
from components.settings import Settings
from tests.infra.manifests import (
    CLASSES,
    COMPOSE,
    CONFIG,
    CONTAINERS,
    DOCKERFILE,
    FOLDER,
    GUIDE,
    PODS,
    RESOURCES,
    RUN,
    SCRIPT,
    VERSIONS,
    environment,
    make_job,
    of_kind,
    selected,
)

SECRET = re.compile(r"PASSW|TOKEN$|AUTH_STRING$|PASSPHRASE|(?<!SECRET)_KEY$|STORE_UR[IL]$|CONNECTION_URL$")
each_pod = pytest.mark.parametrize("name", PODS)


@pytest.mark.parametrize("version", VERSIONS)
def test_every_resource_follows_the_schema(version: str) -> None:
    for document in [*RESOURCES, *map(make_job, CLASSES.values())]:
        kubernetes_validate.validate(document, version, strict=True)
    unknown = RESOURCES[-1] | {"spec": RESOURCES[-1]["spec"] | {"podSelectors": {}}}
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(unknown, version, strict=True)


@pytest.mark.skipif(shutil.which("kubectl") is None, reason="kubectl is not installed")
def test_kustomize_renders_the_same_resources() -> None:
    done = subprocess.run(["kubectl", "kustomize", FOLDER], capture_output=True, text=True, check=True)

    def by_name(documents: list[dict[str, Any]]) -> dict[tuple[str, str], dict[str, Any]]:
        return {(d["kind"], d["metadata"]["name"]): d for d in documents}

    assert by_name(list(yaml.safe_load_all(done.stdout))) == by_name(RESOURCES)


def test_selectors_select_the_pods_that_they_name() -> None:
    for document in [*of_kind("Deployment"), *of_kind("PodDisruptionBudget")]:
        assert selected(document["spec"]["selector"]) == {document["metadata"]["name"]}
    for service in of_kind("Service"):
        assert selected({"matchLabels": service["spec"]["selector"]}) == {service["metadata"]["name"]}
    for scaler in of_kind("HorizontalPodAutoscaler"):
        target = scaler["spec"]["scaleTargetRef"]
        (deployment,) = (d for d in of_kind(target["kind"]) if d["metadata"]["name"] == target["name"])
        assert "replicas" not in deployment["spec"]  # else each apply would undo what it has set
    for spread in PODS["service"]["spec"]["topologySpreadConstraints"]:
        assert selected(spread["labelSelector"]) == {"service"}
    for policy in of_kind("NetworkPolicy"):
        name = policy["metadata"]["name"]
        assert selected(policy["spec"]["podSelector"]) == (set(PODS) if name == "default" else {name})


def test_each_policy_allows_the_ports_on_which_the_pods_listen() -> None:
    ports = {name: {p["containerPort"] for p in c.get("ports", [])} for name, c in CONTAINERS.items()}
    for policy in of_kind("NetworkPolicy"):
        name = policy["metadata"]["name"]
        for rule in policy["spec"].get("ingress", []):
            assert {port["port"] for port in rule["ports"]} == ports[name]
        for rule in policy["spec"].get("egress", []):
            for peer in rule.get("to", []):
                (target,) = selected(peer["podSelector"])
                assert {port["port"] for port in rule["ports"]} == ports[target]
    rules = {p["metadata"]["name"]: p["spec"].get("ingress", []) for p in of_kind("NetworkPolicy")}
    callers = {
        name: set().union(*(selected(f["podSelector"]) for rule in found for f in rule["from"] if "podSelector" in f))
        for name, found in rules.items()
    }
    assert callers == {
        "default": set(),
        "service": {RUN},
        "mlflow": {RUN, "service"},
        "prefect": {RUN, "worker"},
        "worker": set(),
        RUN: set(),
    }


def test_ports_are_those_on_which_the_processes_listen() -> None:
    for name, variable in {"service": "SERVICE", "mlflow": "MLFLOW", "prefect": "PREFECT"}.items():
        (port,) = CONTAINERS[name]["ports"]
        assert f"${{CAROUSEL_{variable}_PORT:-{port['containerPort']}}}" in SCRIPT
        (service,) = (s for s in of_kind("Service") if s["metadata"]["name"] == name)
        assert service["spec"]["ports"] == [
            {"name": port["name"], "port": port["containerPort"], "targetPort": port["name"]}
        ]
        assert f"CAROUSEL_{variable}_PORT" not in environment(name)
    assert environment("worker")["CAROUSEL_WORKER_PORT"] == str(CONTAINERS["worker"]["ports"][0]["containerPort"])
    assert re.search(r"CAROUSEL_BIND=0\.0\.0\.0", DOCKERFILE)
    services = {s["metadata"]["name"]: s["spec"]["ports"][0]["port"] for s in of_kind("Service")}
    addresses = {"CAROUSEL_TRACKING_URI": "mlflow", "CAROUSEL_SERVICE_URL": "service", "PREFECT_API_URL": "prefect"}
    for variable, name in addresses.items():
        assert CONFIG["carousel"][variable].removesuffix("/api") == f"http://{name}:{services[name]}"
    assert f"mlflow:{services['mlflow']}" in environment("mlflow")["MLFLOW_SERVER_ALLOWED_HOSTS"].split(",")
    overlay = yaml.safe_load(CONFIG["carousel-params"]["shop.yaml"])
    assert {"service", "service.carousel"} <= set(overlay["serving"]["allowed_hosts"])


def test_probes_ask_routes_that_exist() -> None:
    paths = {
        name: {
            probe: c[probe]["httpGet"]["path"]
            for probe in ("startupProbe", "livenessProbe", "readinessProbe")
            if probe in c
        }
        for name, c in CONTAINERS.items()
    }
    service = paths.pop("service")
    assert service == {"startupProbe": "/livez", "livenessProbe": "/livez", "readinessProbe": "/readyz"}
    assert {*service.values(), PODS["service"]["metadata"]["annotations"]["prometheus.io/path"]} == set(PROBES)
    assert paths.pop(RUN) == {}
    for name, found in paths.items():  # as the health checks of compose, which `make stack` asks too
        url = COMPOSE[name]["healthcheck"]["test"][-1]
        assert {
            f"http://127.0.0.1:{CONTAINERS[name]['ports'][0]['containerPort']}{path}" for path in found.values()
        } == {url}
    for container in CONTAINERS.values():
        for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
            if probe in container:
                assert container[probe]["httpGet"]["port"] in {p["name"] for p in container["ports"]}


def test_the_scaler_uses_metrics_of_the_service() -> None:
    rules = yaml.safe_load((FOLDER / "metrics-adapter.yaml").read_text(encoding="utf-8"))["rules"]["custom"]
    families = {family.name: family.type for family in ServiceMetrics().registry.collect()}
    offered = set()
    for rule in rules:
        series = rule["seriesQuery"].partition("{")[0]
        assert families[series.removesuffix("_bucket")] == ("histogram" if series.endswith("_bucket") else "gauge")
        offered.add(rule.get("name", {}).get("as", series))
    (scaler,) = of_kind("HorizontalPodAutoscaler")
    assert {metric["pods"]["metric"]["name"] for metric in scaler["spec"]["metrics"]} == offered


@each_pod
def test_each_reference_is_a_resource_here_or_a_secret_of_the_guide(name: str) -> None:
    secrets = {
        row[0]: set(re.findall(r"`([A-Z_]+)`", row[1]))
        for row in re.findall(r"^\| `(carousel-[a-z-]+)` \| (.*) \|", GUIDE, re.MULTILINE)
    }
    assert len(secrets) >= 6
    spec, container = PODS[name]["spec"], CONTAINERS[name]
    for source in container.get("envFrom", []):
        assert source.get("configMapRef", {}).get("name", "carousel") in CONFIG
        assert source.get("secretRef", {}).get("name", "carousel-store") in secrets
    for entry in container.get("env", []):
        source = entry.get("valueFrom", {})
        if "secretKeyRef" in source:
            assert source["secretKeyRef"]["key"] in secrets[source["secretKeyRef"]["name"]]
        if "configMapKeyRef" in source:
            assert source["configMapKeyRef"]["key"] in CONFIG[source["configMapKeyRef"]["name"]]
        if SECRET.search(entry["name"]):
            assert "secretKeyRef" in source, entry["name"]
    claims = {d["metadata"]["name"] for d in of_kind("PersistentVolumeClaim")}
    for volume in spec["volumes"]:
        assert volume.get("persistentVolumeClaim", {}).get("claimName", "carousel-home") in claims
        assert volume.get("configMap", {}).get("name", "carousel") in CONFIG
        assert volume.get("secret", {}).get("secretName", "carousel-git") in secrets
    assert {mount["name"] for mount in container["volumeMounts"]} == {volume["name"] for volume in spec["volumes"]}
    assert spec.get("serviceAccountName", "worker") in {d["metadata"]["name"] for d in of_kind("ServiceAccount")}
    assert ("serviceAccountName" in spec) == (name == "worker") == ("automountServiceAccountToken" not in spec)


@each_pod
def test_each_variable_is_read_by_the_program(name: str) -> None:
    own = {f"CAROUSEL_{field.upper()}" for field in Settings.model_fields} | set(
        re.findall(r"\bCAROUSEL_[A-Z_]+\b", SCRIPT)
    )
    given = environment(name)
    assert {variable for variable in given if variable.startswith("CAROUSEL_")} <= own
    in_compose = set().union(*(service.get("environment", {}) for service in COMPOSE.values()))
    others = {variable for variable in given if not variable.startswith("CAROUSEL_")} - in_compose
    assert {v for v in others if not v.startswith(("GIT_CONFIG_", "PREFECT_INTEGRATIONS_KUBERNETES_"))} == set()
    if name != RUN:
        lacking = set(COMPOSE[name]["environment"]) - set(given)
        moved = {"CAROUSEL_EVENT_STORE_URL", "AWS_DEFAULT_REGION"} if name == "worker" else set()  # the runs have it
        ignored = {"PREFECT_API_AUTH_STRING", "CAROUSEL_PARAMS"} if name == "service" else set()
        assert lacking <= moved | ignored


@each_pod
def test_pods_are_restricted_and_have_limits(name: str) -> None:
    spec, container = PODS[name]["spec"], CONTAINERS[name]
    (uid,) = re.findall(r"useradd --uid (\d+)", DOCKERFILE)
    security = spec["securityContext"]
    assert {security[key] for key in ("runAsUser", "runAsGroup", "fsGroup")} == {int(uid)}
    assert security["runAsNonRoot"]
    assert security["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert {"cpu", "memory"} <= set(container["resources"]["requests"])
    assert "memory" in container["resources"]["limits"]
    program = container["command"]
    assert program[0] == "infra/run.sh"
    assert f"  {program[1]})" in SCRIPT


@each_pod
def test_what_is_written_is_on_a_volume_and_what_is_read_too(name: str) -> None:
    mounts = {m["mountPath"]: m.get("readOnly", False) for m in CONTAINERS[name]["volumeMounts"]}

    def is_writable(path: str) -> bool:
        around = [mount for mount in mounts if Path(path).is_relative_to(mount)]
        return bool(around) and not mounts[max(around, key=len)]

    given, image = environment(name), dict(re.findall(r"(\w+)=(/\S+)", DOCKERFILE))
    written = [
        given.get("CAROUSEL_HOME", image["CAROUSEL_HOME"]),
        image["HOME"],
        image["DVC_SITE_CACHE_DIR"],
        image["MPLCONFIGDIR"],
    ]
    folders = ("CAROUSEL_BUNDLE_CACHE", "CAROUSEL_CHECKOUT", "CAROUSEL_DVC_CACHE", "PREFECT_SERVER_UI_STATIC_DIRECTORY")
    written += [given[folder] for folder in folders if folder in given]
    assert all(map(is_writable, written)), [path for path in written if not is_writable(path)]
    if name in ("service", RUN):
        overlay = Path(given["CAROUSEL_PARAMS"])
        assert mounts[str(overlay.parent)]
        assert overlay.name in CONFIG["carousel-params"]
    if "GIT_CONFIG_VALUE_0" in given:
        assert mounts[str(Path(given["GIT_CONFIG_VALUE_0"].partition("=")[2]).parent)]


def test_a_pod_has_time_to_answer_its_requests_and_to_write_its_exposures() -> None:
    pause = CONTAINERS["service"]["lifecycle"]["preStop"]["sleep"]["seconds"]
    assert PODS["service"]["spec"]["terminationGracePeriodSeconds"] >= pause + 2 * SHUTDOWN_S + 10
