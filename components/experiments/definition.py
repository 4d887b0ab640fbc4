"""The definition of an experiment, the file of the running one, and the arm of a user."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from components.contracts import Record
from components.errors import ContractError
from components.io import find_record, write_record

RUNNING = "running.json"
NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,60}")
Role = Literal["champion", "challenger"]
Metric = Literal["conversion", "clicks", "value", "retention"]


class Arm(Record):
    """A share of the users, and the registry alias of the version that serves them."""

    name: str
    role: Role
    share: Annotated[float, Field(ge=0, le=1)]


class Experiment(Record):
    """An A/B test between the versions under two aliases; users outside of all shares get the champion, uncounted."""

    name: str
    salt: str  # another salt selects other users
    arms: list[Arm]  # the first is the control
    metric: Metric  # of a user within window_hours of the first exposure: see outcomes.METRIC_SQL
    window_hours: Annotated[float, Field(gt=0)]
    alpha: Annotated[float, Field(gt=0, lt=1)]  # probability of ever claiming a difference that does not exist
    min_users: Annotated[int, Field(ge=2)]  # of each arm, before any claim
    target_users: Annotated[int, Field(ge=2)]  # of all arms together, at which the confidence sequence is narrowest
    started: datetime
    versions: dict[str, int]  # arm -> version at the start; while the alias names another one, the arm has no users
    bundles: dict[str, str]  # arm -> digest of the bundle

    @model_validator(mode="after")
    def check_arms(self) -> Self:
        """Require a plain name, two arms or more of different names, and positive shares that sum to 1 at most."""
        if not NAME.fullmatch(self.name):
            raise ValueError(f"name {self.name[:80]!r}: expected lower-case letters, digits and -")
        if len(self.arms) < 2 or len({arm.name for arm in self.arms}) != len(self.arms):
            raise ValueError("expected two arms or more, of different names")
        total = sum(arm.share for arm in self.arms)
        if not 0 < total <= 1 + 1e-9 or min(arm.share for arm in self.arms) <= 0:
            raise ValueError(f"shares sum to {total:g}; expected each above 0 and a sum of at most 1")
        return self

    @model_validator(mode="after")
    def check_window(self) -> Self:
        """Require a window in which users can come back, where that is the metric."""
        if self.metric == "retention" and self.window_hours <= 24:
            raise ValueError(
                "retention counts returns a day or more after the first list, and the window has "
                f"{self.window_hours:g} hours; raise experiments.window_hours, for example to 168"
            )
        return self

    def assign(self, user_id: str | None) -> Arm | None:
        """Return the arm of a user, always the same one; None for an anonymous user and outside of all shares."""
        if user_id is None:
            return None
        return arm_at(self.arms, hash_to_unit(user_id, self.salt))


def arm_at(arms: Sequence[Arm], point: float) -> Arm | None:
    """Return the arm whose part of [0, 1), in the order of the arms, contains the point; None after the last one."""
    for arm in arms:
        if point < arm.share:
            return arm
        point -= arm.share
    return None


def hash_to_unit(unit: str, salt: str) -> float:
    """Return a number in [0, 1), uniform over units, and a function of unit and salt only."""
    digest = sha256(f"{salt}\0{unit}".encode("utf-8", "surrogatepass")).digest()
    return int.from_bytes(digest[:8], "big") / 2**64


def start_experiment(folder: Path, experiment: Experiment) -> None:
    """Start an experiment. Raises ContractError where one runs already, or the name was used."""
    running = read_running(folder)
    if running is not None:
        raise ContractError(f"experiment {running.name} runs; end it with `carousel experiment stop` first")
    if (folder / f"{experiment.name}.json").exists():
        raise ContractError(f"experiment {experiment.name}: the name was used before; choose another")
    write_record(folder / RUNNING, experiment)


def end_experiment(folder: Path, experiment: Experiment) -> None:
    """End the running experiment; its definition stays stored under its name."""
    write_record(folder / f"{experiment.name}.json", experiment)
    (folder / RUNNING).unlink()


def read_running(folder: Path) -> Experiment | None:
    """Return the running experiment; None where there is none. Raises ContractError for a damaged file."""
    return find_record(
        folder / RUNNING, Experiment, "experiment", "repair the file, or remove it to end the experiment"
    )
