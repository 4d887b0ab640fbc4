"""Helpers of the tests of serving: a registry in a folder, an app with its client, and requests to it."""

import shutil
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path

import uvicorn
from fastapi.testclient import TestClient

from components.contracts import Catalogue, Interactions, Lineage, Users
from components.errors import ReleaseError
from components.params import Params
from components.release.manifest import check_files
from components.release.registry import Version
from components.serving.http.admin import Admin
from components.serving.http.app import make_app, make_service
from components.serving.models.watcher import ModelWatcher

ROOT = Path(__file__).parents[3]
World = tuple[Interactions, Catalogue, Users]
N_ITEMS = 20
TOKEN = "t0ken"
Remake = Callable[..., Path]


class FakeRegistry:
    """A registry in a folder: versions are bundles; `down` makes it unreachable."""

    def __init__(self) -> None:
        self.bundles: dict[int, Path] = {}
        self.champion: int | None = None
        self.challenger: int | None = None
        self.down = False
        self.fetches = 0

    def put(self, folder: Path) -> int:
        number = len(self.bundles) + 1
        self.bundles[number] = folder
        self.champion = number
        return number

    def alias(self, name: str) -> Version | None:
        if self.down:
            raise ReleaseError("registry at http://gone: unreachable")
        number = {"champion": self.champion, "challenger": self.challenger}[name]
        if number is None:
            return None
        digest = sha256((self.bundles[number] / "manifest.json").read_bytes()).hexdigest()
        return version(number, digest)

    def fetch(self, number: int, folder: Path) -> Path:
        self.fetches += 1
        if not folder.exists():
            shutil.copytree(self.bundles[number], folder)
        check_files(folder)
        return folder


def put_challenger(registry: FakeRegistry, folder: Path) -> None:
    """Register the bundle as the challenger; the champion stays."""
    champion = registry.champion
    registry.challenger = registry.put(folder)
    registry.champion = champion


def challenger_params(params: Params, **change: object) -> dict:
    """Return the keyword with which `serving_client` changes serving.challenger."""
    return {"challenger": params.serving.challenger.model_copy(update=change)}


def version(number: int, digest: str) -> Version:
    """Return a registered version with this bundle."""
    lineage = Lineage(
        git_revision="0" * 40,
        git_dirty=False,
        data_version="d",
        params_digest="p",
        bundle_digest=digest,
        as_of="2026-03-01T00:00:00+00:00",
        model="ease",
    )
    return Version(number=number, lineage=lineage, metrics={}, run_id="r", created_at="", evaluation_digest="")


@contextmanager
def serving_client(
    watcher: ModelWatcher, params: Params, store_url: str | None = None, **serving: object
) -> Iterator[TestClient]:
    """Yield a client of the whole app, whose service is `client.service`; `serving` changes parameters."""
    params = params.model_copy(update={"serving": params.serving.model_copy(update=serving)})
    service = make_service(watcher, params, store_url)
    app = make_app(service, Admin(service, TOKEN, watcher.folder.parent / "audit.jsonl"), dict)
    with TestClient(app, base_url="http://127.0.0.1", raise_server_exceptions=False) as client:
        client.service = service  # type: ignore[attr-defined]
        yield client


@contextmanager
def running_app(watcher: ModelWatcher, params: Params, token: str | None = None, **status: object) -> Iterator[str]:
    """Yield the address of the app, which a server in this process runs. token: to read; status: what /status shows."""
    service = make_service(watcher, params)
    app = make_app(service, Admin(service, TOKEN, watcher.folder.parent / "audit.jsonl"), lambda: status, token)
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_config=None, ws="none"))
    thread = threading.Thread(target=server.run, args=([listener],))
    thread.start()
    while not server.started:
        assert thread.is_alive()
        time.sleep(0.02)
    yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    server.should_exit = True
    thread.join(timeout=20)


def post_events(client: TestClient, user: str, *items: int, event: str = "view", **more: object) -> dict:
    """Store an event of the user for each product; return the answer."""
    events = [{"user_id": user, "item_id": f"sku-{i}", "event": event, **more} for i in items]
    reply = client.post("/events", json={"events": events})
    assert reply.status_code == 200, reply.text
    return reply.json()


def view_and_recommend(client: TestClient, user: str) -> dict:
    """Store a view of sku-1 by the user, then return the answer of /recommend."""
    post_events(client, user, 1)
    return recommend(client, user_id=user, k=5)


def recommend(client: TestClient, **body: object) -> dict:
    """Return the answer of /recommend."""
    reply = client.post("/recommend", json=body)
    assert reply.status_code == 200, reply.text
    return reply.json()


def ids(answer: dict) -> list[str]:
    """Return the item_ids of an answer."""
    return [item["item_id"] for item in answer["items"]]
