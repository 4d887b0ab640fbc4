"""Which forgotten users the champion still remembers: until a model that was fitted without them serves.

A version that was registered after a deletion learned from a snapshot without the user, because deletions and runs wait
for each other. A rollback to an earlier version brings the wait back, with the same bound.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from components import io
from components.contracts import Record

if TYPE_CHECKING:
    from components.release.registry import Registry

FILE = "unlearn.json"  # in the folder of a shop


class Deletion(Record):
    """Users whom one call has forgotten."""

    at: datetime
    users: tuple[str, ...]  # tombstones
    due: datetime  # until then, a model that did not learn from them has to serve


class Deletions(Record):
    """unlearn.json, oldest first."""

    deletions: tuple[Deletion, ...] = ()
    unknown: tuple[str, ...] = ()  # tombstones of users of whom nothing was found: no model learned from them


class Waiting(Record):
    """How many forgotten users the version that serves has learned from."""

    n_users: int
    due: datetime  # of the oldest deletion
    is_overdue: bool

    def describe(self) -> str:
        """Return it as a sentence, for messages and MLflow's pages."""
        late = ": OVERDUE" if self.is_overdue else ""
        who = "1 forgotten user waits" if self.n_users == 1 else f"{self.n_users} forgotten users wait"
        return f"{who} to be unlearned by a refresh until {self.due:%Y-%m-%d %H:%M}{late}"


def add_deletion(shop: Path, tombstones: Collection[str], at: datetime, unlearn_days: float) -> None:
    """Record which users were forgotten, of all that the shop has forgotten: those that no earlier record names.

    A user whom the shop knew only since the last run is among them, too: no list of who was in which model is kept.
    """
    found = _read(shop)
    new = set(tombstones) - {user for deletion in found.deletions for user in deletion.users} - {*found.unknown}
    if new:
        made = Deletion(at=at, users=tuple(sorted(new)), due=at + timedelta(days=unlearn_days))
        io.write_record(shop / FILE, found.model_copy(update={"deletions": (*found.deletions, made)}))


def withdraw(shop: Path, tombstones: Collection[str], at: datetime) -> None:
    """Take the users out of the deletion that was recorded at this time: nothing of them was found anywhere."""
    found, left = _read(shop), []
    unknown = {user for d in found.deletions if d.at == at for user in d.users} & {*tombstones}
    if not unknown:
        return
    for deletion in found.deletions:
        users = tuple(user for user in deletion.users if user not in unknown)
        left += [deletion.model_copy(update={"users": users})] if users else []
    io.write_record(shop / FILE, Deletions(deletions=tuple(left), unknown=tuple(sorted({*found.unknown, *unknown}))))


def find_waiting(shop: Path, fitted_at: datetime | None, now: datetime) -> Waiting | None:
    """Return who waits to be unlearned by the version that serves; None where nobody does, or nothing serves.

    fitted_at: when the version that serves was registered.
    """
    waiting = [d for d in _read(shop).deletions if fitted_at is not None and d.at >= fitted_at]
    if not waiting:
        return None
    due = min(deletion.due for deletion in waiting)
    return Waiting(n_users=sum(len(deletion.users) for deletion in waiting), due=due, is_overdue=now > due)


def find_champion_waiting(registry: Registry, now: datetime) -> Waiting | None:
    """Return who waits to be unlearned by the champion of the registry; None where nobody does, or nothing serves."""
    version = registry.alias("champion")
    if version is None:
        return None
    fitted_at = datetime.fromisoformat(version.fitted_at or version.created_at)
    return find_waiting(registry.settings.shop(registry.name), fitted_at, now)


def _read(shop: Path) -> Deletions:
    return io.find_record(shop / FILE, Deletions, "deletions", "restore it from a backup") or Deletions()
