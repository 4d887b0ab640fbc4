"""The card of an application: Hugging Face's card format, written from its record."""

from __future__ import annotations

from components.applications.record import ApplicationRecord
from components.release.card import Card

USES = {
    "ads": "Chooses an advertisement for a user and a slot by expected value.",
    "inventory": "Forecasts demand per product, and says what to order and when.",
    "marketing": "Groups users, and says whom to address, with what, and when.",
}
SHIPS = {
    "model": "The model ships: its own gate found it better than the baseline.",
    "baseline": "The baseline ships: the model was not better.",
    "nothing": "Nothing ships: what was published before stays in use.",
}


def application_card(record: ApplicationRecord) -> Card:
    """Return the card of an application."""
    metrics = "\n".join(f"| {name} | {value:.6g} |" for name, value in sorted(record.metrics.items()))
    counts = "\n".join(f"| {name} | {n} |" for name, n in sorted(record.counts.items()))
    reasons = "\n".join(f"- {reason.text}" for reason in record.reasons)
    limits = [*record.limits, *(["The events are simulated."] if record.simulated else [])]
    return Card(
        name=f"Carousel {record.application}",
        summary=f"{USES.get(record.application, '')} On data up to {record.as_of[:10]}. {SHIPS[record.ships]}",
        sections=[
            ("Intended use", "For the shop whose data it was made from; it holds no user ids that a report shows."),
            ("Data", f"| what | count |\n| --- | --- |\n{counts}" if counts else ""),
            ("Evaluation", f"{reasons}\n\n| metric | value |\n| --- | --- |\n{metrics}"),
            ("Limits", "\n".join(f"- {limit}" for limit in limits)),
        ],
        tags=[record.application, "retail"],
        metrics=record.metrics,
        dataset="back-test on events of the shop",
    )
