"""prefect.yaml and infra/automations.yaml fit the flows; every form field has a description and bounds."""

import importlib
import os
from pathlib import Path
from typing import Any

import pytest
import yaml
from prefect.events.schemas.automations import AutomationCore
from prefect.utilities.callables import parameter_schema

from flows import monitor
from flows.outcome import STATES
from flows.workspace import quiet_environment
from tests.flows.toy import ROOT

DEPLOYMENTS = yaml.safe_load((ROOT / "prefect.yaml").read_text())["deployments"]
NAMES = {d["name"]: d for d in DEPLOYMENTS}


def flow_of(deployment: dict[str, Any]) -> Any:
    file, name = deployment["entrypoint"].split(":")
    return getattr(importlib.import_module(str(Path(file).with_suffix("")).replace("/", ".")), name)


def test_the_ten_deployments() -> None:
    names = ["nightly", "weekly", "manual", "monitor", "export", "application", "tune", "promote", "rollback", "gc"]
    assert list(NAMES) == names


@pytest.mark.parametrize("deployment", DEPLOYMENTS, ids=list(NAMES))
def test_deployments_run_one_at_a_time_with_valid_parameters(deployment: dict[str, Any]) -> None:
    flow = flow_of(deployment)
    flow.validate_parameters(deployment["parameters"])
    assert deployment["concurrency_limit"] == {"limit": 1, "collision_strategy": "CANCEL_NEW"}
    assert deployment["description"]
    for schedule in deployment.get("schedules", []):
        assert schedule["timezone"] == "Europe/Berlin"


@pytest.mark.parametrize("deployment", DEPLOYMENTS, ids=list(NAMES))
def test_every_field_of_the_form_is_flat_and_described(deployment: dict[str, Any]) -> None:
    fields = parameter_schema(flow_of(deployment)).model_dump()["properties"]
    for name, field in fields.items():
        assert field.get("description"), name
        kinds = {part.get("type") for part in field.get("anyOf", [field])}
        assert kinds <= {"string", "integer", "number", "boolean", "array", "null"}, name


@pytest.mark.parametrize(
    "parameters",
    [
        {"max_epochs": 0}, {"max_epochs": 201}, {"learning_rate": 0}, {"candidates": []}, {"candidates": ["bert"]},
        {"gate_mode": "off"}, {"as_of": "yesterday"}, {"nosuch": 1},
    ],
)  # fmt: skip
def test_a_bad_value_names_its_field(parameters: dict[str, Any]) -> None:
    (name,) = parameters
    with pytest.raises(Exception, match=name):
        flow_of(NAMES["manual"]).validate_parameters(parameters)


def test_the_refresh_is_nightly_and_the_retrain_weekly_and_the_check_every_six_hours() -> None:
    flows = {name: NAMES[name]["entrypoint"].split(":")[1] for name in ("nightly", "weekly", "monitor")}
    assert flows == {"nightly": "refresh", "weekly": "retrain", "monitor": "monitor"}
    assert [NAMES[name]["schedules"][0]["cron"] for name in flows] == ["0 3 * * *", "0 4 * * 0", "30 */6 * * *"]


@pytest.mark.parametrize(("name", "wanted"), [("nightly", "refresh"), ("manual", "retrain")])
def test_what_a_check_asks_for_starts_a_deployment_with_valid_parameters(name: str, wanted: str) -> None:
    (trigger,) = NAMES[name]["triggers"]
    assert trigger["expect"] == [monitor.EVENTS[wanted]]
    assert set(trigger["parameters"]) <= set(parameter_schema(flow_of(NAMES[name])).properties)


def test_every_final_state_stops_the_alarm_for_silent_runs() -> None:
    (automation,) = yaml.safe_load((ROOT / "infra/automations.yaml").read_text())["automations"]
    trigger = AutomationCore.model_validate(automation).trigger
    ends = {"Completed", "Failed", "Cancelled", "Crashed", *monitor.STATES.values(), *STATES.values()}
    assert {f"prefect.flow-run.{name}" for name in ends} <= trigger.expect
    assert trigger.within.total_seconds() < 120


def test_a_run_from_the_command_line_sends_heartbeats_well_before_it_counts_as_crashed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may run beside `make ui`, whose server has the automation and reads the same database."""
    (automation,) = yaml.safe_load((ROOT / "infra/automations.yaml").read_text())["automations"]
    monkeypatch.setattr("os.environ", {})
    quiet_environment(tmp_path)
    frequency = os.environ["PREFECT_FLOWS_HEARTBEAT_FREQUENCY"]
    assert 3 * int(frequency) < automation["trigger"]["within"]
    assert f"export PREFECT_FLOWS_HEARTBEAT_FREQUENCY={frequency}\n" in (ROOT / "infra/run.sh").read_text()
