"""`carousel forget`: removes users from everything that Carousel keeps of them, and proves it by a search.

service     events, histories, exposures and cached lists; a running service drops its memory within two seconds
tombstones  shops/NAME/forgotten.json, by which `ingest` leaves the users out of later snapshots
snapshots   those of workspaces, DVC's cache and a local remote, and all that was computed from them
files       what applications have published; audiences and exports
models      `carousel refresh` fits them without the users; until then the champion is marked
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Set
from contextlib import closing, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import yaml

from components import ids
from components.applications.erase import erase_published
from components.data.files import find_files
from components.data.forgotten import erase_from, find_forgotten
from components.errors import ContractError
from components.offline.unlearn import unlearn_champion
from components.params import Params
from components.release import unlearning
from components.release.certificate import Certificate
from components.release.erase_versions import (
    Erased,
    current_digest,
    erase_versions,
    find_objects,
    find_unnamed,
    holds_snapshot,
)
from components.release.git import unchanged_files
from components.release.leftovers import list_workspaces
from components.release.lock import exclusive_lock
from components.release.registry import Registry
from components.release.retention import list_versions
from components.release.traces import Needles, SearchResult, holds, search, walk
from components.release.versioning import SNAPSHOT, locked_stores, remote_url
from components.release.written_files import written_files
from components.serving.storage.erasure import ErasureLog
from components.serving.storage.event_store import EventStore
from components.serving.storage.open_event_store import open_event_store
from components.settings import Settings
from components.tombstones import KEY_FILE, Forgotten, load_key

EXPORTS = (".parquet", ".csv", ".jsonl")
UNLEARN_TAG = "unlearn"  # of the version that serves
LOCK_S = 5.0  # longest wait for a run
MODELS_NOTE = (
    "models: what sequence model, ranker and language model learned from the users goes with the next `carousel "
    "refresh` or `carousel retrain` that ships; a rollback to an earlier version brings it back, with the same bound"
)

LIST_NOTE = "the file that named the users still holds their ids and was not searched: delete it"


@dataclass(frozen=True)
class Shop:
    """Where a shop's data are."""

    root: Path  # the checkout
    settings: Settings  # resolved
    params: Params

    @property
    def folder(self) -> Path:
        """Return the shop's folder below home."""
        return self.settings.shop(self.params.release.name)

    def checkouts(self) -> list[Path]:
        """Return the checkout and the clones of deployed runs, without those whose last run was of another shop."""
        home = self.settings.home
        return [path for path in (self.root, *_clones(home)) if self._is_own(path)]

    def _is_own(self, checkout: Path) -> bool:
        try:
            run = yaml.safe_load((checkout / "run/params.yaml").read_bytes())
            return bool(run["release"]["name"] == self.params.release.name)
        except (OSError, KeyError, TypeError, yaml.YAMLError):  # nothing has run there, or not as a shop
            return True


def _clones(home: Path) -> list[Path]:
    """Return the clones of deployed runs, and that of the schedule."""
    return [*list_workspaces(home, len(list((home / "workspaces").glob("run-*")))), home / "checkout"]


def forget(
    shop: Shop, user_ids: Collection[str], now: datetime | None = None, listed: Path | None = None
) -> Certificate:
    """Remove the users, and those whom the service was asked to delete before; return the certificate, also written.

    listed: the file that names the users, if any: it is left alone, and the certificate says so. Works while the
    service runs. Raises BusyError where a run works in the checkout: the users are then removed from
    the service, and the next call does the rest. Raises ContractError for an id that is none.
    """
    now = datetime.now(UTC) if now is None else now
    users = sorted({*user_ids, *map(_parse, user_ids)})
    with closing(_open_store(shop)) as store:
        n_events = sum(store.delete_user(user) for user in users)
        ErasureLog(store, shop.folder / "serving/exposures").apply()
        key = load_key(shop.folder / KEY_FILE, shop.settings.erasure_secret)
        with exclusive_lock(shop.settings.home / "retrain.lock", "a deletion", LOCK_S):
            forgotten = _write_tombstones(shop, key, store)
            unlearning.add_deletion(shop.folder, forgotten.users, now, shop.params.privacy.unlearn_days)
            registry = Registry(shop.settings, shop.params.release)
            version = unlearn_champion(shop.root, shop.settings, shop.params, registry, forgotten)
            others, checkouts = _other_snapshots(shop, registry), shop.checkouts()
            found = set[str]().union(*(find_forgotten(path / SNAPSHOT, forgotten) for path in checkouts))
            erased = erase_versions(shop.root, shop.settings.home, checkouts, forgotten, others)
            files = erase_published(shop.folder, forgotten) | _erase_files(shop, forgotten)
            named = sorted({store.tombstone_of(user) for user in map(_parse, user_ids)})
            if not (n_events or found or files or erased.rows or erased.snapshots):
                _withdraw(shop, registry, named, now)
            needles = Needles.of({*users, *found})
            erased.n_objects += _sweep_stores(shop, needles)
            searched = search_stores(shop, needles, others, listed)
    waiting = mark_champion(shop, now)
    done = Certificate(
        at=now,
        n_users=len(named),
        tombstones=tuple(named),
        service_events=n_events,
        rows=dict(erased.rows),
        snapshots=erased.snapshots,
        n_objects=erased.n_objects,
        n_outputs=erased.n_outputs,
        files=files,
        searched=tuple(searched),
        version=version,
        waiting=waiting,
        notes=(*_notes(shop, erased), *([LIST_NOTE] if listed else [])),
    )
    done.write(shop.folder)
    return done


def mark_champion(shop: Shop, now: datetime) -> unlearning.Waiting | None:
    """Tag the version that serves with what it has to unlearn; return that, None where it has nothing."""
    registry = Registry(shop.settings, shop.params.release)
    waiting = unlearning.find_champion_waiting(registry, now)
    if waiting is not None:
        registry.tag(registry.aliases()["champion"], UNLEARN_TAG, waiting.describe())
    return waiting


def search_stores(
    shop: Shop, needles: Needles, others: Set[str] = frozenset(), listed: Path | None = None
) -> list[SearchResult]:
    """Search all that Carousel keeps of the shop, less `others`, snapshots of other shops, and the file `listed`."""
    root, home, folder = shop.root, shop.settings.home, shop.folder
    with locked_stores(root) as (cache, remote):
        pass
    stores = [cache, *([remote] if remote else [])]
    known = [folder, home / "prefect", home / "mlflow-artifacts", home / "workspaces", home / "checkout", *stores]
    lists = [listed] if listed else []
    own = [home, root / ".git", root / ".venv", *stores, *_own_data(shop), *lists, *unchanged_files(root)]
    code = [file for clone in _clones(home) for file in unchanged_files(clone)]
    return [
        search("checkout, without the shop's own data", root, needles, own),
        search("workspaces of runs", home / "workspaces", needles, [*stores, *code]),
        search("workspace of the schedule", home / "checkout", needles, [home / "checkout/data/raw", *stores, *code]),
        search("DVC cache", cache, needles, find_objects(cache, others)),
        *([search("DVC remote", remote, needles, find_objects(remote, others))] if remote else []),
        search("MLflow artifacts", home / "mlflow-artifacts", needles),
        search("Prefect", home / "prefect", needles),
        search("service and shop", folder, needles),
        search("other files below home, such as MLflow's database and caches", home, needles, [*known, *lists]),
    ]


def _own_data(shop: Shop) -> list[Path]:
    """Return the shop's own files, which are not changed: the sources in the checkout."""
    if shop.params.data.simulated:
        return [shop.root / "data/raw"]
    start = shop.settings.data_root or shop.root
    sources = [*shop.params.marketing.campaigns, *(s for table in shop.params.data.sources.values() for s in table)]
    own = [start / source.attach for source in sources if source.attach]  # a database file; a server is none
    for pattern in (source.path for source in sources if source.path):
        with suppress(ContractError):  # the shop has moved it
            own += [file.path for file in find_files(pattern, start).files]
    return own


def _other_snapshots(shop: Shop, registry: Registry) -> set[str]:
    """Return the digests of snapshots that versions of other shops name, and none of this one."""
    own, every = (
        {row.tags["data_version"] for row in list_versions(registry, model) if "data_version" in row.tags}
        for model in (registry.name, None)
    )
    return {current_digest(shop.settings.home, digest) for digest in every - own}


def _withdraw(shop: Shop, registry: Registry, tombstones: Collection[str], now: datetime) -> None:
    """Let users wait for nothing, of whom nothing was found; not where the champion's snapshot was out of reach."""
    champion = registry.alias("champion")
    if champion is None or holds_snapshot(shop.root, shop.settings.home, champion.lineage.data_version):
        unlearning.withdraw(shop.folder, tombstones, now)


def _parse(user_id: str) -> str:
    try:
        return ids.parse(user_id)
    except ValueError as error:
        raise ContractError(f"forget: expected the id of a user, got one that is {error}") from None


def _open_store(shop: Shop) -> EventStore:
    name, settings = shop.params.release.name, shop.settings
    store = open_event_store(
        settings.event_store_address, shop.folder / "serving", name, secret=settings.erasure_secret
    )
    store.prepare_erasures()
    return store


def _write_tombstones(shop: Shop, key: bytes, store: EventStore) -> Forgotten:
    """Write the tombstones of the service and those known before; return them."""
    before = Forgotten.read(shop.folder, shop.settings.erasure_secret)
    known = dict(before.users) if before else {}
    forgotten = Forgotten(key, known | store.erasures())
    forgotten.write(shop.folder)
    return forgotten


def _erase_files(shop: Shop, forgotten: Forgotten) -> dict[str, int]:
    """Remove rows from audiences and exports, inside the shop's folder and where the shop had them written."""
    inside = [path for path in walk(shop.folder / "exports") if path.suffix in EXPORTS]
    files: Iterable[Path] = dict.fromkeys([*inside, *written_files(shop.folder)])
    rows = {file.name: erase_from(file, forgotten) for file in files}
    return {name: n for name, n in rows.items() if n}


def _sweep_stores(shop: Shop, needles: Needles) -> int:
    """Remove objects that no snapshot or step names, such as those of broken runs, and that still hold a user."""
    n = 0
    with locked_stores(shop.root) as (cache, remote):
        for store in [cache, *([remote] if remote else [])]:
            for file in find_unnamed(store):
                if holds(file, needles):
                    file.unlink()
                    n += 1
    return n


def _notes(shop: Shop, erased: Erased) -> list[str]:
    """Return what was not reached, and what to do."""
    notes = [MODELS_NOTE]
    if shop.params.data.simulated:
        notes.append("data/raw: the simulated shop stands for the shop's own data and is not changed")
    else:
        notes.append("data.sources: the shop's own data are not changed; `ingest` leaves the users out of snapshots")
    if "://" in (url := remote_url(shop.root)):
        notes.append(
            f"DVC remote {url}: not searched; remove the objects of {sorted(erased.snapshots)} there, and push"
        )
    if not shop.settings.tracking_uri.startswith("sqlite:///"):
        notes.append("MLflow: its server was not searched; Carousel sends it no ids of users")
    if shop.settings.event_store_address:
        notes.append("PostgreSQL keeps deleted rows in its files until `VACUUM FULL events`")
    return notes
