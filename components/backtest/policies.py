"""Policies: what the loop does as of each date of a backtest. A new one is a line in POLICIES.

retrained: how it searches for another recipe once a month: "recipes" (the champion takes part as its recipe, fitted on
the same window), "as served" (the champion takes part as it serves, and the winner ships as it was judged), or None.
refreshed: what it does with the champion's recipe as of each date: "judged" (by the gate of a refresh), "always" (fits
it on everything before the date, unjudged), "once" (as of the first date only, likewise), or None.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from components.backtest.engine import Engine, View
from components.backtest.passes import Deployed, ReplayedPass, attempt, refit, refresh, retrain
from components.errors import ParamsError


@dataclass(frozen=True)
class Policy:
    """What is done as of each date, with one sentence that says it."""

    meaning: str
    retrained: Literal["recipes", "as served"] | None = None
    refreshed: Literal["judged", "always", "once"] | None = None

    def start(self, engine: Engine, view: View, first: Deployed) -> ReplayedPass | None:
        """Return the pass that follows the choice of the first champion at once; None: it serves as it was judged."""
        if self.refreshed is None:
            return None
        step = refresh if self.refreshed == "judged" else refit
        return attempt(view, step.__name__, lambda: step(engine, first, view))

    def passes(self, engine: Engine, view: View, serving: Deployed, new_month: bool) -> Iterator[ReplayedPass]:
        """Yield the passes as of a later date; what ships is what the next pass starts from."""
        if self.retrained and new_month:
            done = attempt(view, "retrain", lambda: retrain(engine, serving, view, self.retrained == "as served"))
            yield done
            serving = done.made if done.ships and done.made else serving
        if self.refreshed == "judged":
            yield attempt(view, "refresh", lambda: refresh(engine, serving, view))
        elif self.refreshed == "always":
            yield attempt(view, "refit", lambda: refit(engine, serving, view))


POLICIES = {
    "never": Policy("the first champion serves for ever, as its retrain judged it"),
    "once": Policy("the first recipe, fitted once on everything before the first date", refreshed="once"),
    "superiority": Policy(
        "monthly retrain against the champion as it serves; the winner serves as it was judged, without the events of "
        "its validation and test windows",
        retrained="as served",
    ),
    "refresh": Policy(
        "judged refresh as of each date, which then learns its holdout unless refresh.learn_holdout is false; monthly "
        "retrain of recipes",
        "recipes",
        "judged",
    ),
    "refresh_only": Policy("judged refresh as of each date, no retrain", refreshed="judged"),
    "newest": Policy("the first recipe, fitted as of each date on everything before it, unjudged", refreshed="always"),
}


def check_policies(names: list[str]) -> list[str]:
    """Return the names without repetition; raises ParamsError for one that is not in POLICIES."""
    unknown = [name for name in names if name not in POLICIES]
    if unknown or not names:
        raise ParamsError(f"--policies: unknown {unknown}; expected some of {sorted(POLICIES)}")
    return list(dict.fromkeys(names))
