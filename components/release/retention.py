"""Which versions stay in the registry: those in use, those kept by name, and the newest."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from components.contracts import Record
from components.errors import ReleaseError
from components.experiments.definition import read_running
from components.release.ledger import Ledger
from components.release.registry import EVALUATION, Registry
from components.settings import Settings

KEEP = "keep"  # tag of versions that `carousel keep` names
PAGE = 1000  # rows of one request to MLflow


class StoredVersion(NamedTuple):
    """A row of the registry."""

    number: int
    run_id: str
    tags: Mapping[str, str]


class Retention(Record):
    """The decision about each version."""

    keep: dict[int, str]  # version -> why it stays
    remove: list[int]


def keep_version(registry: Registry, number: int, keep: bool = True) -> None:
    """Keep a version whatever its age, or no longer. Raises ReleaseError where there is no such version."""
    registry.version(number)
    registry.tag(number, KEEP, "true" if keep else "")


def list_versions(registry: Registry, model: str | None) -> list[StoredVersion]:
    """Return all versions of one registered model, or of all models, oldest first."""
    if registry.connection.is_empty():
        return []
    client, found, token = registry.connection.client, list[StoredVersion](), None
    with registry.connection.translate_errors():
        while token != "":
            page = client.search_model_versions(f"name = '{model}'" if model else None, PAGE, page_token=token)
            found += [StoredVersion(int(row.version), row.run_id, dict(row.tags)) for row in page]
            token = page.token or ""
    return sorted(found)


def plan_retention(registry: Registry, settings: Settings, keep_versions: int) -> Retention:
    """Return which versions stay, each with its reason, and which go. A version of unknown origin stays.

    Raises ReleaseError when the registry is not the one that the ledger knows: nothing may be removed by it.
    """
    rows = {row.number: row for row in list_versions(registry, registry.name)}
    shop = settings.shop(registry.name)
    check_ledger(rows, shop, registry.name)
    keep: dict[int, str] = {}
    for number, why in [*_in_use(registry, shop), *_by_age(rows, keep_versions)]:
        if number in rows:
            keep.setdefault(number, why)
    for number in [number for number in keep if "bundle_digest" in rows[number].tags]:
        compared = _compared_with(registry, rows[number].run_id)
        if compared in rows:
            keep.setdefault(compared, f"version {number} was compared with it")
    return Retention(keep=dict(sorted(keep.items())), remove=[number for number in rows if number not in keep])


def check_ledger(rows: Mapping[int, StoredVersion], shop: Path, name: str) -> None:
    """Raise ReleaseError when the version that serves by the ledger is not in the registry."""
    serving = Ledger(shop).serving_stack()[-1:]
    if (
        serving
        and rows.get(serving[0].version, StoredVersion(0, "", {})).tags.get("bundle_digest") != serving[0].digest
    ):
        raise ReleaseError(
            f"by the ledger version {serving[0].version} of {name} serves, and the registry does not have it; nothing "
            "was removed. Check CAROUSEL_TRACKING_URI, or restore the registry"
        )


def _in_use(registry: Registry, shop: Path) -> Iterator[tuple[int, str]]:
    """Yield versions that something points to, with the reason."""
    for alias, number in sorted(registry.aliases().items(), key=lambda item: item[0] != "champion"):
        yield number, alias  # of a version under two aliases, champion is the reason that is shown
    ledger = Ledger(shop)
    intent = ledger.open_intent()
    if intent:
        yield intent.version, "its promotion was interrupted"
    for deployment in ledger.serving_stack()[-2:]:
        yield deployment.version, "serves, or would after a rollback"
    experiment = read_running(shop / "experiments")
    if experiment:
        for number in experiment.versions.values():
            yield number, f"experiment {experiment.name}"


def _by_age(rows: Mapping[int, StoredVersion], keep_versions: int) -> Iterator[tuple[int, str]]:
    for row in rows.values():
        if "bundle_digest" not in row.tags:
            yield row.number, "not registered by Carousel"
        elif row.tags.get(KEEP):
            yield row.number, "kept by name"
    for number in sorted(rows)[-keep_versions:]:
        yield number, "among the newest"


def _compared_with(registry: Registry, run_id: str) -> int | None:
    """Return the champion that the version was compared with, without which it cannot be reproduced."""
    client = registry.connection.client
    with TemporaryDirectory() as folder, registry.connection.translate_errors():
        name = f"reports/{EVALUATION}"
        if name not in {file.path for file in client.list_artifacts(run_id, str(Path(name).parent))}:
            return None
        champion = json.loads(Path(client.download_artifacts(run_id, name, folder)).read_bytes()).get("champion")
    return int(champion["version"]) if champion else None
