"""`carousel advise`: what is worth running on a shop's data, what it costs, and what to expect of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import yaml

from components.applications.advice.costs import CostCounts, RunCosts, calibrate, estimate, read_timings
from components.applications.advice.probe import Probe, probe
from components.contracts import Record
from components.data.snapshot import read_snapshot_info
from components.data.split import make_split
from components.data.tables import read_catalogue, read_info, read_interactions
from components.params import Params
from components.times import DAY_US

FEW_USERS, SHORT_DAYS, FEW_WORDS = 100, 60, 2.0
SHORT_HISTORY = 5.0  # events of a user, in the mean, below which order says little
MANY_REPEATS = 0.1


class ShopFacts(Record):
    """What the snapshot holds."""

    users: int
    products: int
    events: int
    history_days: float
    events_per_user: float
    density: float  # of users x products that have an event
    anonymous_share: float  # of the events
    text_share: float  # of the products that have a title
    text_words: float  # mean words of those titles


class ShopAdvice(Record):
    """The advice, with the numbers behind it."""

    facts: ShopFacts
    probe: Probe
    costs: RunCosts
    minutes: float  # of a run, where the machine has nothing else to do
    minutes_now: float  # at its present load
    verdict: str
    reasons: list[str]
    collect: list[str]
    overlay: dict[str, dict[str, object]]

    def to_yaml(self) -> str:
        """Return the advised overlay, which goes on top of the shop's own."""
        lines = [f"# {reason}" for reason in self.reasons]
        return "\n".join([*lines, yaml.safe_dump(self.overlay, sort_keys=False)])


def advise_shop(root: Path, snapshot: Path, params: Params) -> ShopAdvice:
    """Return the advice for the shop of a snapshot.

    root: the checkout, whose run/timings count where the snapshot is its own.
    """
    with TemporaryDirectory(prefix="carousel-advise-") as name:
        split = Path(name)
        make_split(snapshot, split, params.split, params.data.as_of, params.data.memory_gib)
        facts = read_facts(split)
        found = probe(split, params)
    exclude = found.without_seen >= found.with_seen
    sequence = facts.events_per_user >= SHORT_HISTORY and facts.users >= FEW_USERS
    texts = facts.text_share > 0.5 and facts.text_words >= FEW_WORDS
    overlay = _overlay(exclude, sequence, texts)
    rows = sum(counts.read for counts in read_snapshot_info(snapshot).counts.values())
    counts = CostCounts(
        rows=rows,
        events=facts.events,
        products=facts.products,
        texts=int(facts.text_share * facts.products),
        users=found.windows[0].n_all_users if found.windows else 0,
        epochs=params.trainer.max_epochs if sequence else 1,
        pretrain=texts and params.language.pretrain.method != "none",
    )
    own = snapshot.resolve() == (root / "data/snapshot").resolve()  # else run/timings are of other data
    costs = estimate(counts, read_timings(root) if own else {}, calibrate())
    reasons = [*_reasons(facts, found, exclude, sequence, texts)]
    return ShopAdvice(
        facts=facts,
        probe=found,
        costs=costs,
        minutes=costs.minutes,
        minutes_now=costs.minutes_now,
        verdict=_verdict(found),
        reasons=reasons,
        collect=[*_collect(facts, found, params)],
        overlay=overlay,
    )


def read_facts(split: Path) -> ShopFacts:
    """Return what the events before the test window, and the catalogue, hold."""
    info, events = read_info(split), read_interactions(split, ("train", "validation"))
    titles = read_catalogue(split).title[1:]
    named = [title for title in titles if title]
    known = events.user_idx > 0
    users = max(int((events.by_user().lengths > 0).sum()), 1)
    pairs = len(set(zip(events.user_idx[known].tolist(), events.item_idx[known].tolist(), strict=True)))
    first = int(events.timestamp.min()) if len(events) else info.validation_end
    return ShopFacts(
        users=users,
        products=info.n_items,
        events=len(events),
        history_days=(info.validation_end - first) / DAY_US,
        events_per_user=float(known.sum()) / users,
        density=pairs / max(users * info.n_items, 1),
        anonymous_share=float(1 - known.mean()) if len(events) else 0.0,
        text_share=len(named) / max(len(titles), 1),
        text_words=sum(len(title.split()) for title in named) / max(len(named), 1),
    )


def _overlay(exclude: bool, sequence: bool, texts: bool) -> dict[str, dict[str, object]]:
    """Return the parameters that are advised."""
    parts = ["popularity", "neighbours", "als", "ease", *(["content"] if texts else []), "interests"]
    parts += [*(["sequence"] if sequence else []), *([] if exclude else ["buy_again"])]
    candidates = [name for name in parts if name not in ("popularity", "neighbours")] + ["hybrid"]
    found: dict[str, dict[str, object]] = {
        "recommend": {"exclude_seen": exclude},
        "models": {"hybrid": {"parts": parts}},
        "evaluation": {"candidates": candidates},
    }
    if not sequence:
        found["trainer"] = {"max_epochs": 1}
    if not texts:
        found["language"] = {"pretrain": {"method": "none"}}
    return found


def _verdict(found: Probe) -> str:
    if not found.windows:
        return "nothing can be measured yet: no user has both a history and a later target"
    if found.low > 0:
        return "worth running: personal lists beat popularity in the shop's own past"
    return "worth a try: no gain over popularity is certain yet" if found.high > 0 else "not worth running yet"


def _reasons(facts: ShopFacts, found: Probe, exclude: bool, sequence: bool, texts: bool) -> Iterator[str]:
    yield f"{facts.users} users, {facts.products} products, {facts.events} events in {facts.history_days:.0f} days"
    if found.windows:
        newest = found.windows[0]
        yield f"gain over popularity {found.gain:+.4f} ({found.low:+.4f} to {found.high:+.4f}, 90 %) in NDCG@10"
        yield f"{newest.cold_share:.0%} of what is chosen is by users with little history"
        yield (
            f"{newest.repeat_share:.0%} of what users choose they had before: NDCG@10 {found.with_seen:.4f} with seen "
            f"products, {found.without_seen:.4f} without; exclude_seen {str(exclude).lower()}"
        )
    if not sequence:
        yield f"one epoch for the sequence model: {facts.events_per_user:.1f} events per user say little of their order"
    if not texts:
        yield f"models of texts are left out: {facts.text_share:.0%} of the products have a title"


def _collect(facts: ShopFacts, found: Probe, params: Params) -> Iterator[str]:
    """Yield what would make the next advice more certain, the most useful first."""
    n_users = found.windows[0].n_all_users if found.windows else 0
    if n_users < params.gate.min_users:
        yield f"more users: {n_users} have a target in a window, the gate wants {params.gate.min_users}"
    if facts.anonymous_share > MANY_REPEATS:
        yield f"a user id with each event: {facts.anonymous_share:.0%} of the events have none"
    if facts.history_days < SHORT_DAYS:
        yield f"more days: {facts.history_days:.0f} days show no season"
    if set(params.split.weights) <= {"purchase"}:
        yield "views and carts: purchases alone are few, and come late"
    if facts.text_share < 1:
        yield f"titles: {1 - facts.text_share:.0%} of the products have none, so that new ones cannot be placed"
    if found.curve and found.windows and found.windows[0].gain > found.curve[-1].gain:
        growth = found.windows[0].gain - found.curve[-1].gain
        yield f"time: with half of the users the gain is {growth:.4f} lower, so that more of them still help"
