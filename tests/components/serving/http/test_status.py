"""The release status, with and without a registry."""

import json
from pathlib import Path

import pytest

from components.errors import ReleaseError
from components.io import write_record
from components.params import Params
from components.release.history import SCORED_FILE, History, Scored
from components.release.launch import Launch
from components.release.ledger import Ledger
from components.serving.http import status as module
from components.serving.http.status import StatusReader
from components.settings import Settings
from tests.components.release.outcome_rows import on, outcome


def settings(home: Path) -> Settings:
    return Settings(home=home).resolved(home)


def test_before_the_first_run_the_status_is_empty(params: Params, tmp_path: Path) -> None:
    found = StatusReader(settings(tmp_path), params).read()
    assert (found["champion"], found["verdict"], found["checks"], found["deployments"]) == (None, None, [], [])
    assert found["registry"] is None
    assert found["outcomes"] is None


def test_what_came_true_is_a_table_and_a_picture(params: Params, tmp_path: Path) -> None:
    shop = settings(tmp_path).shop(params.release.name)
    ledger = Ledger(shop)
    ledger.close(ledger.begin("promote", 1, None, "digest 1", None, Launch(since=on(4).isoformat())), "done", "")
    History(shop).add([outcome(4, 0.2), outcome(0, 0.3, window="expected")])
    write_record(shop / SCORED_FILE, Scored(as_of=on(5).isoformat(), n_days=1, alarms=[]))
    found = StatusReader(settings(tmp_path), params).read()["outcomes"]
    (row,) = found["table"]
    assert (row["version"], row["came true"][:6], row["expected a day"][:6]) == ("1", "0.2000", "0.3000")
    assert found["plot"].startswith("<svg")


def test_deployments_are_listed_while_the_registry_is_unreachable(
    params: Params, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unreachable(*args: object) -> None:
        raise ReleaseError("registry at http://gone: unreachable")

    monkeypatch.setattr(module, "read_status", unreachable)
    shop = tmp_path / "shops" / params.release.name
    shop.mkdir(parents=True)
    ledger = Ledger(shop)
    ledger.close(ledger.begin("promote", 3, None, "d" * 64, None), "done", "it serves")
    reader = StatusReader(settings(tmp_path), params)
    found = reader.read()
    assert "unreachable" in found["registry"]
    assert [(d["version"], d["state"]) for d in found["deployments"]] == [(3, "done")]
    assert reader.read() is found  # cached


def test_the_password_of_an_unreachable_registry_is_not_shown(
    params: Params, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CAROUSEL_TRACKING_URI", "postgresql+psycopg://ann:Tr0ub4dor@127.0.0.1:1/x")
    found = StatusReader(settings(tmp_path), params).read()
    assert "registry at postgresql+psycopg://***@127.0.0.1:1/x" in found["registry"]
    assert "Tr0ub4dor" not in json.dumps(found)
