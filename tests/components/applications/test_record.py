"""The record of an application, and which applications are enabled."""

import json
from pathlib import Path

import pytest

from components.applications.reasons import give_reason
from components.applications.record import (
    APPLICATIONS,
    ApplicationRecord,
    enabled_applications,
    find_application,
    write_application,
)
from components.params import Params, load

ROOT = Path(__file__).parents[3]
RECORD = ApplicationRecord(
    application="inventory", as_of="2026-03-01T00:00:00Z", simulated=True, ships="model",
    reasons=[give_reason("inventory_short", expected=16, period="week", n=9)],
    metrics={"b": 2.0, "a": 1.0},
)  # fmt: skip


def test_the_shipped_parameters_enable_no_application() -> None:
    assert enabled_applications(load(ROOT / "params.yaml")) == []


def test_every_application_has_a_section() -> None:
    assert set(APPLICATIONS) <= set(Params.model_fields)
    lines = [f"{name}.enabled=true" for name in reversed(APPLICATIONS)]
    assert enabled_applications(load(ROOT / "params.yaml", overrides=lines)) == list(APPLICATIONS)


def test_a_record_is_read_as_it_was_written(tmp_path: Path) -> None:
    write_application(tmp_path, RECORD)
    assert find_application(tmp_path / "applications/inventory") == RECORD
    assert list(json.loads((tmp_path / "reports/inventory/metrics.json").read_bytes())) == ["a", "b"]


@pytest.mark.parametrize("name", APPLICATIONS)
def test_an_application_that_never_ran_has_no_record(tmp_path: Path, name: str) -> None:
    assert find_application(tmp_path / "applications" / name) is None
