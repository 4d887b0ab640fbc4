"""The limits on a card: what the measurements show against a model, what they do not show, what privacy covers."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from components.contracts import Evaluation, Interval, SliceRow
from components.evaluation.slices import NEXT_EVENT
from components.privacy.accounting import Spending

FEW_USERS = 200  # below it, an interval is wide
MIN_SLICE_USERS = 20  # below it, a slice is not judged
WEAK = 0.5  # share of the metric of all users below which a slice is weak
GAP = 0.2  # share of the test metric by which validation may be above it
LOW_COVERAGE = 0.05
MANY_TEXTLESS = 0.2
MEMBERSHIP_AUC = {  # of the attack in docs/privacy.md on a small simulated shop, without noise
    "popularity": 0.67, "interests": 0.59, "tfidf": 0.61, "content": 0.64, "transitions": 0.95, "ease": 0.97,
    "als": 0.96, "neighbours": 0.98,
}  # fmt: skip


def find_limits(
    evaluation: Evaluation,
    model: str,
    reference: str,
    gain: Interval | None,
    textless: int,
    n_items: int,
    private: bool = False,
) -> list[str]:
    """Return a sentence for each limit.

    reference: the best simple model; gain: over it. textless: products without a text, of n_items. private: learned
    with noise.
    """
    found = [*_evidence(evaluation, model, reference, gain), *_weak_slices(evaluation, model, reference)]
    found += _lists(evaluation, model)
    if n_items and textless / n_items >= MANY_TEXTLESS:
        found.append(
            f"{textless} of {n_items} products have no text: new ones among them are shown by popularity alone."
        )
    found += [f"The training was stopped by a limit in minutes: {name}." for name in evaluation.unfinished]
    if model in MEMBERSHIP_AUC and not private:
        found.append(
            "Who knows a user's events and sees scores or weights may tell whether the model learned from the user: "
            f"AUC {MEMBERSHIP_AUC[model]:.2f} on a small simulated shop. Share no weights, or set privacy.epsilon."
        )
    if evaluation.simulated:
        found.append("The events are simulated: nothing here says how users of a real shop behave.")
    found.append(
        "Measured on events that users chose under other lists: the effect of showing these is not known before a test."
    )
    return found


def describe_spending(spending: Spending) -> str:
    """Return what the budget of differential privacy is, what it covers and what it does not."""
    rows = "".join(
        f"| {one.name} | {one.noise_multiplier:.3f} | {one.sample_rate:.4g} | {one.steps} |\n"
        for one in spending.mechanisms
    )
    return (
        f"Learned with noise: epsilon {spending.epsilon:.2f}, delta {spending.delta:g}; the unit is all events of one "
        f"{spending.unit}; accountant: {spending.accountant}. It covers the weights in `model/`, `fallback/` and "
        "`ranker/` of this version, and holds while the noise key of the shop is secret; versions add up.\n\n"
        "| Gaussian noise on | noise / bound of one user | share of users per step | steps |\n"
        f"| --- | --- | --- | --- |\n{rows}\n"
        "It does not cover which model and encoder were chosen on the validation window, the figures on this card, "
        "`drift_reference.parquet`, and a sentiment head, which learns from reviews."
    )


def _evidence(evaluation: Evaluation, model: str, reference: str, gain: Interval | None) -> Iterator[str]:
    if evaluation.n_users < FEW_USERS:
        yield f"Few users: {evaluation.n_users} were measured, so that differences between models are uncertain."
    start, end = (datetime.fromisoformat(text) for text in evaluation.window)
    days = max((end - start).days, 1)
    yield f"One test window of {days} day(s): other seasons and campaigns are not covered; drift after it is not known."
    if model == reference or gain is None:
        return
    if gain.high < 0:
        yield f"It is worse than {reference} here ({gain.gain:+.4f}, {gain.low:+.4f} to {gain.high:+.4f})."
    elif gain.low <= 0:
        yield f"No gain over {reference} is shown: the interval {gain.low:+.4f} to {gain.high:+.4f} contains 0."


def _weak_slices(evaluation: Evaluation, model: str, reference: str) -> Iterator[str]:
    primary = evaluation.primary
    own = {row.slice: row for row in evaluation.slices if row.model == model}
    other = {row.slice: row for row in evaluation.slices if row.model == reference}
    overall = own["all"].metrics[primary] if "all" in own else evaluation.test[model][primary]
    for name, row in own.items():
        value = row.metrics[primary]
        if row.n_users < MIN_SLICE_USERS:
            yield f"Slice {name} has {row.n_users} users: too few to judge."
        elif value < WEAK * overall and name != NEXT_EVENT:  # one target a list: its level is another
            yield f"Weak slice {name}: {primary} {value:.4f} against {overall:.4f} of all ({row.n_users} users)."
        elif name in other and value < other[name].metrics[primary]:
            yield f"In slice {name}, {reference} is better: {other[name].metrics[primary]:.4f} against {value:.4f}."
    yield from _cold_items(own)


def _cold_items(own: dict[str, SliceRow]) -> Iterator[str]:
    if "item:cold" not in own:
        yield "No target of the test window was a product without earlier events: new products are not measured."


def _lists(evaluation: Evaluation, model: str) -> Iterator[str]:
    metrics, primary = evaluation.test[model], evaluation.primary
    coverage = metrics.get(f"coverage_at_{primary.rsplit('_', 1)[1]}")
    if coverage is not None and coverage < LOW_COVERAGE:
        yield f"The lists of all test users hold {coverage:.1%} of the products; the others are not shown."
    gap = evaluation.overfit_gap.get(model)
    if gap is not None and gap > GAP * metrics[primary]:
        yield f"On validation, where it was chosen, {primary} is {gap:.4f} higher than on test."
