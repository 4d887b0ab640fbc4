"""The service as a process with two workers: deleted users, rights of files, passwords in its log and answers."""

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from components.params import Params
from components.release.mlflow_connection import ENVIRONMENT
from components.release.registry import Registry
from components.settings import Settings
from tests.components.serving.processes import (
    ask,
    both_workers_assign,
    free_port,
    service,
    wait_until,
    wait_until_version,
)
from tests.components.serving.test_live import register

pytestmark = pytest.mark.slow
USER, TOKEN, PASSWORD = "ann-q7x9", "t0ken-of-the-admin", "Tr0ub4dor"
FAST = ("serving.workers=2", "serving.exposures.flush_s=0.2")


@pytest.fixture(autouse=True)
def _open_umask(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    before = os.umask(0)
    yield
    os.umask(before)


@pytest.fixture
def home(bundle: Path, params: Params, tmp_path: Path) -> Path:
    """Return a home folder whose registry has a champion."""
    home = tmp_path / "home"
    registry = Registry(Settings(home=home).resolved(tmp_path), params.release)
    registry.prepare()
    (tmp_path / "reports").mkdir()
    registry.move("champion", register(registry, bundle, tmp_path / "reports"))
    return home


def traces(home: Path, text: str) -> list[str]:
    files = [path for path in home.rglob("*") if path.is_file()]
    return [path.name for path in files if text.encode() in path.read_bytes()]


def test_a_deleted_user_leaves_no_byte_and_files_are_private(home: Path) -> None:
    port = free_port()
    shown = home / "shops/carousel/serving/exposures"
    with service(home, port, *FAST, CAROUSEL_ADMIN_TOKEN=TOKEN):
        wait_until_version(port, 1, 180)
        wait_until(lambda: both_workers_assign(port, 1))
        events = [{"user_id": user, "item_id": "sku-1", "event": "view"} for user in (USER, "bob-q7x9")]
        assert ask(port, "/events", {"events": events})[0] == 200
        for _ in range(40):  # each on a connection of its own: both workers have the user in memory
            for user in (USER, "bob-q7x9"):
                assert ask(port, "/recommend", {"user_id": user, "k": 3})[0] == 200
        wait_until(lambda: any(name.endswith(".parquet") for name in traces(shown, USER)))
        for _ in range(20):
            ask(port, "/recommend", {"user_id": USER, "k": 3})
        bearer = {"Authorization": f"Bearer {TOKEN}"}
        assert ask(port, "/admin/forget", {"user_id": USER}, bearer) == (200, {"events": 1})
        wait_until(lambda: not traces(home, USER))
    assert traces(home, USER) == []  # nor did the end of the service write what waited
    assert traces(shown, "bob-q7x9")
    assert traces(home, TOKEN) == []
    open_to_others = {str(path): oct(path.stat().st_mode) for path in (home, *home.rglob("*"))}
    assert [path for path, mode in open_to_others.items() if int(mode, 8) & 0o077] == []


def test_no_password_is_in_the_log_or_an_answer_while_the_registry_is_away(home: Path) -> None:
    port = free_port()
    with service(home, port):
        wait_until_version(port, 1, 180)
    uri = f"postgresql+psycopg://ann:{PASSWORD}@127.0.0.1:1/registry"
    with service(home, port, CAROUSEL_TRACKING_URI=uri, CAROUSEL_ADMIN_TOKEN=TOKEN):
        wait_until_version(port, 1, 180)
        wait_until(lambda: "registry at postgresql+psycopg://***@127.0.0.1:1" in (home / "serve.log").read_text())
        paths = ("/status", "/readyz", "/livez", "/openapi.json", "/no/such/route")
        answers = [json.dumps(ask(port, path)[1]) for path in paths]
        answers.append(json.dumps(ask(port, "/admin/reload", {}, {"Authorization": f"Bearer {TOKEN}"})[1]))
    assert "registry at postgresql+psycopg://***@" in answers[0]
    for text in (*answers, (home / "serve.log").read_text()):
        assert PASSWORD not in text
        assert TOKEN not in text
