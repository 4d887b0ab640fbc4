"""Replicas that share a home folder or a database: each keeps its bundles, and what they show reaches one place."""

from pathlib import Path

import pyarrow.parquet as pq
from fastapi.testclient import TestClient

from components.params import Params
from components.serving.http.admin import Admin
from components.serving.http.app import make_app, make_service
from components.serving.metrics import ServiceMetrics
from components.serving.models.watcher import ModelWatcher
from components.serving.storage.exposure_table import collect_exposures
from components.serving.storage.open_event_store import open_event_store
from tests.components.serving.postgres import Postgres
from tests.components.serving.support import TOKEN, FakeRegistry


def replica(registry: FakeRegistry, params: Params, bundles: Path, shared: Path, url: str | None = None) -> TestClient:
    watcher = ModelWatcher(registry, bundles, params.serving.poll_s, ServiceMetrics())
    bundles.mkdir(exist_ok=True)
    watcher.poll()
    service = make_service(watcher, params, url, "s" * 32 if url else None, shared)
    app = make_app(service, Admin(service, TOKEN, shared / "audit.jsonl"), dict)
    return TestClient(app, base_url="http://127.0.0.1")


def test_exposures_of_two_replicas_reach_one_folder_and_a_deleted_user_leaves_it(
    registry: FakeRegistry, params: Params, tmp_path: Path
) -> None:
    shared, caches = tmp_path / "home", [tmp_path / "first", tmp_path / "second"]
    shared.mkdir()

    def users() -> list[str]:
        files = sorted((shared / "exposures").glob("*.parquet"))
        return sorted({user for file in files for user in pq.read_table(file)["user_id"].to_pylist()})

    first, second = (replica(registry, params, cache, shared) for cache in caches)
    with first, second:
        for client, user in ((first, "ann"), (second, "bob"), (second, "ann")):
            assert client.post("/recommend", json={"user_id": user, "k": 3}).status_code == 200
    assert users() == ["ann", "bob"]
    assert len(list((shared / "exposures").glob("*.parquet"))) == 2  # no replica replaced the other's file

    with replica(registry, params, caches[0], shared) as client:
        headers = {"Authorization": f"Bearer {TOKEN}"}
        assert client.post("/admin/forget", json={"user_id": "ann"}, headers=headers).status_code == 200
        assert users() == ["bob"]
    for cache in caches:
        assert (cache / "current.json").is_file()
        assert not (cache / "exposures").exists()
    assert not list(shared.rglob("manifest.json"))


def test_exposures_of_two_replicas_with_a_database_reach_the_folder_of_the_flows(
    registry: FakeRegistry, params: Params, tmp_path: Path, postgres: Postgres
) -> None:
    url, homes = postgres.create_database(), [tmp_path / "first", tmp_path / "second"]
    for home in homes:
        home.mkdir()
    first, second = (replica(registry, params, home / "bundles", home, url) for home in homes)
    with first, second:
        for client, user in ((first, "ann"), (second, "bob"), (second, "ann")):
            assert client.post("/recommend", json={"user_id": user, "k": 3}).status_code == 200
    assert not list(tmp_path.rglob("exposures/*.parquet"))
    store = open_event_store(url, tmp_path / "flows/serving", params.release.name, secret="s" * 32)
    assert collect_exposures(store, tmp_path / "flows/exposures") == 3
    store.close()
    (file,) = (tmp_path / "flows/exposures").glob("*.parquet")
    assert sorted(pq.read_table(file)["user_id"].to_pylist()) == [*["ann"] * 6, *["bob"] * 3]
