"""The state of the loop, with and without a registry."""

from pathlib import Path

import pytest

from components.errors import ReleaseError
from components.params import Params
from components.release.ledger import Ledger
from components.serving.http import status as module
from components.serving.http.status import StatusReader
from components.settings import Settings


def settings(home: Path) -> Settings:
    return Settings(home=home).resolved(home)


def test_before_the_first_run_there_is_nothing(params: Params, tmp_path: Path) -> None:
    told = StatusReader(settings(tmp_path), params.release).read()
    assert (told["champion"], told["verdict"], told["checks"], told["deployments"]) == (None, None, [], [])
    assert told["registry"] is None


def test_what_was_deployed_is_there_when_the_registry_is_away(
    params: Params, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*args: object) -> None:
        raise ReleaseError("registry at http://gone: unreachable")

    monkeypatch.setattr(module, "status", away)
    shop = tmp_path / "shops" / params.release.name
    shop.mkdir(parents=True)
    ledger = Ledger(shop)
    ledger.close(ledger.begin("promote", 3, None, "d" * 64, None), "done", "it serves")
    loop = StatusReader(settings(tmp_path), params.release)
    told = loop.read()
    assert "unreachable" in told["registry"]
    assert [(d["version"], d["state"]) for d in told["deployments"]] == [(3, "done")]
    assert loop.read() is told  # kept for some seconds
