"""What an experiment is, where it is kept, and in which arm a user is."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from components.compat import translate
from components.contracts import Record
from components.errors import ContractError
from components.io import find_record, write_record

RUNNING = "running.json"
NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,60}")
Role = Literal["champion", "challenger"]
Metric = Literal["conversion", "clicks", "value"]


class Arm(Record):
    """A share of the users, and which alias of the registry answers them."""

    name: str
    role: Role
    share: Annotated[float, Field(ge=0, le=1)]


class Experiment(Record):
    """One A/B test between the versions under two aliases; users outside of all shares see the champion, uncounted."""

    name: str
    salt: str  # another salt draws other users
    arms: list[Arm]  # the first is the control
    metric: Metric  # of a user, within window_hours of the first list: bought or not, clicks and views, money
    window_hours: Annotated[float, Field(gt=0)]
    alpha: Annotated[float, Field(gt=0, lt=1)]  # chance that an experiment without a difference ever claims one
    min_users: Annotated[int, Field(ge=2)]  # of each arm, before anything is claimed
    tightest_at: Annotated[int, Field(ge=2)]  # users in all at which the sequence is narrowest
    started: datetime
    versions: dict[str, int]  # arm -> version when it started; where the alias names another, nobody is in it
    bundles: dict[str, str]  # arm -> digest of the bundle

    @model_validator(mode="after")
    def makes_sense(self) -> Self:
        """Require a plain name, two arms or more of different names, and shares of one in all at most."""
        if not NAME.fullmatch(self.name):
            raise ValueError(f"name {self.name[:80]!r}: expected small letters, digits and -")
        if len(self.arms) < 2 or len({arm.name for arm in self.arms}) != len(self.arms):
            raise ValueError("expected two arms or more, of different names")
        total = sum(arm.share for arm in self.arms)
        if not 0 < total <= 1 + 1e-9 or min(arm.share for arm in self.arms) <= 0:
            raise ValueError(f"shares sum up to {total:g}; each must be above 0, all together at most 1")
        return self

    def arm_of(self, user_id: str | None) -> Arm | None:
        """Return the arm of a user: always the same one; None for who is unknown, or outside of all shares."""
        if user_id is None:
            return None
        return pick(self.arms, place_of(user_id, self.salt))


def pick(arms: Sequence[Arm], place: float) -> Arm | None:
    """Return the arm whose stretch of [0, 1) holds the place; None behind the last one."""
    for arm in arms:
        if place < arm.share:
            return arm
        place -= arm.share
    return None


def place_of(unit: str, salt: str) -> float:
    """Return where in [0, 1) a unit falls: the same for the same salt, and spread evenly."""
    digest = sha256(f"{salt}\0{unit}".encode("utf-8", "surrogatepass")).digest()
    return int.from_bytes(digest[:8], "big") / 2**64


def begin(folder: Path, experiment: Experiment) -> None:
    """Let an experiment run. Raises ContractError where one runs already, or the name was used."""
    running = read(folder)
    if running is not None:
        raise ContractError(f"experiment {running.name} runs; end it with `carousel experiment stop` first")
    if (folder / f"{experiment.name}.json").exists():
        raise ContractError(f"experiment {experiment.name}: there was one of this name; choose another")
    write_record(folder / RUNNING, experiment)


def end(folder: Path, experiment: Experiment) -> None:
    """End the running experiment: its definition stays under its name."""
    write_record(folder / f"{experiment.name}.json", experiment)
    (folder / RUNNING).unlink()


def lost(folder: Path, digest: str) -> str | None:
    """Return which experiment says that a bundle is worse than what it was compared with; None: none does."""
    for file in sorted(folder.glob("*.decision.json")):
        decision = translate("experiment_decision", json.loads(file.read_bytes()))
        worse = [arm for arm in decision["arms"][1:] if arm["bundle"] == digest]
        if worse and decision["verdict"] == "worse":
            return str(decision["experiment"])
    return None


def read(folder: Path) -> Experiment | None:
    """Return the running experiment; None where there is none. Raises ContractError for a damaged file."""
    return find_record(folder / RUNNING, Experiment, "experiment", "correct it, or remove it")
