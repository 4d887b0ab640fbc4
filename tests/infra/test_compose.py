"""compose.yaml follows the compose specification, and the files that it names are in the checkout."""

import json
import re
import shutil
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from components.serving.metrics import ServiceMetrics

ROOT = Path(__file__).parents[2]
INFRA = ROOT / "infra"
COMPOSE = INFRA / "compose.yaml"
OPTIONAL = ("CAROUSEL_READ_TOKEN",)
SECRET = re.compile(r"\$\{(\w+):\?[^}]+\}")


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load(COMPOSE.read_text(encoding="utf-8"))
    return loaded


def test_compose_follows_the_specification() -> None:
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec", str(COMPOSE)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_service_has_a_health_check_limits_and_no_new_privileges(compose: dict[str, Any]) -> None:
    wanted = {"postgres", "objects", "mlflow", "prefect", "worker", "service", "prometheus", "grafana"}
    assert set(compose["services"]) == wanted
    for name, service in compose["services"].items():
        assert service["healthcheck"]["test"], name
        assert service["deploy"]["resources"]["limits"]["memory"], name
        assert service["read_only"], name
        assert service["cap_drop"] == ["ALL"], name
        assert "no-new-privileges:true" in service["security_opt"], name
        assert "latest" not in service["image"], name
        for port in service.get("ports", []):
            assert port.startswith("127.0.0.1:"), name
        for other, how in service.get("depends_on", {}).items():
            assert other in wanted
            assert how == {"condition": "service_healthy"}


def test_no_password_is_in_the_file_and_each_is_generated(compose: dict[str, Any], tmp_path: Path) -> None:
    file = tmp_path / "secrets.env"
    for _ in range(2):  # the second run keeps the passwords
        subprocess.run([INFRA / "secrets.sh", file], check=True)
        made = dict(line.split("=", 1) for line in file.read_text().splitlines())
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert len(set(made.values())) == len(made)
    assert min(map(len, made.values())) >= 48
    for service in compose["services"].values():
        for key, value in service.get("environment", {}).items():
            if key in OPTIONAL:
                assert value == f"${{{key}:-}}"  # the operator's, or none
            elif re.search(r"PASSW|SECRET|TOKEN|AUTH_STRING|PASSPHRASE", key):
                assert SECRET.search(str(value)) or "scram" in str(value), key
    assert set(SECRET.findall(COMPOSE.read_text())) <= set(made)


def test_mounted_and_executed_files_are_in_the_checkout(compose: dict[str, Any]) -> None:
    for name, service in compose["services"].items():
        for volume in service.get("volumes", []):
            source = volume.split(":")[0]
            if source.startswith("."):
                assert (INFRA / source).exists() or source == "../.git", (name, source)
            else:
                assert source in compose["volumes"], (name, source)
        command = service.get("command")
        if command and command[0] == "infra/run.sh":
            assert f"  {command[1]})" in (INFRA / "run.sh").read_text(), command
    for line in (INFRA / "Dockerfile").read_text().splitlines():
        if line.startswith("COPY") and " . ." not in line:
            for source in line.split()[1:-1]:
                assert (ROOT / source).exists(), source


@pytest.mark.parametrize("script", ["run.sh", "stack.sh", "secrets.sh", "databases.sh", "ui.sh"])
def test_scripts_parse_and_are_executable(script: str) -> None:
    assert subprocess.run(["bash", "-n", INFRA / script], check=False).returncode == 0
    assert (INFRA / script).stat().st_mode & stat.S_IXUSR


def names(text: str) -> set[str]:
    return set(re.findall(r"\bcarousel_[a-z_]+", text))


def test_alerts_and_dashboard_use_metrics_of_the_service() -> None:
    families = list(ServiceMetrics().registry.collect())
    kinds = {"counter": ("_total",), "histogram": ("_bucket", "_sum", "_count"), "gauge": ("",)}
    known = {f"{family.name}{end}" for family in families for end in kinds[family.type]}
    dashboard = (INFRA / "grafana/dashboards/carousel.json").read_text()
    used = names((INFRA / "alerts.yml").read_text())
    used |= {n for panel in json.loads(dashboard)["panels"] for t in panel.get("targets", []) for n in names(t["expr"])}
    assert len(used) > 10
    assert used <= known
    provisioned = yaml.safe_load((INFRA / "grafana/provisioning/dashboards/carousel.yaml").read_text())
    assert provisioned["providers"][0]["options"]["path"] == "/var/lib/carousel-dashboards"


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed (Debian: prometheus)")
@pytest.mark.parametrize(
    "command", [("check", "config", "--syntax-only", "prometheus.yml"), ("test", "rules", "alerts_test.yml")]
)
def test_prometheus_accepts_the_rules_and_alerts_fire_as_expected(command: tuple[str, ...]) -> None:
    done = subprocess.run(["promtool", *command], cwd=INFRA, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
