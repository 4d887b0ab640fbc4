"""The card of a bundle: README.md in Hugging Face's card format, written from what was measured.

It depends on the data, the parameters and the models alone, never on the champion, so that equal bundles have equal
bytes; the verdict about a version is in MLflow.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from components.contracts import Evaluation, Interval, SliceRow
from components.release.card_limits import describe_spending, find_limits
from components.release.manifest import README

if TYPE_CHECKING:
    from components.privacy.accounting import Spending
    from components.release.bundle import BundleInfo

LICENSE = "apache-2.0"  # of the code; what the shop's data allow is the shop's to say
CONFIDENCE, RESAMPLES = 0.95, 2000  # of the intervals; constants, so that another gate makes no other bundle
CODES = {"en": "en", "zh": "zh"}
SHOWN = ("ndcg", "recall", "hit_rate", "mrr", "map", "coverage", "novelty")  # families of metrics, in this order


@dataclass(frozen=True)
class Card:
    """The content of a card, before it is text."""

    name: str
    summary: str
    sections: Sequence[tuple[str, str]]  # heading -> Markdown
    languages: Sequence[str] = ()
    tags: Sequence[str] = ()
    metrics: Mapping[str, float] = field(default_factory=dict)
    dataset: str = "events of the shop"

    def to_text(self) -> str:
        """Return the card as Markdown with a YAML header; equal cards are equal texts."""
        header = yaml.safe_dump(self.header(), sort_keys=False, allow_unicode=True, width=1000)
        body = "\n\n".join(f"## {heading}\n\n{text.strip()}" for heading, text in self.sections if text.strip())
        return f"---\n{header}---\n\n# {self.name}\n\n{self.summary.strip()}\n\n{body}\n"

    def header(self) -> dict[str, Any]:
        """Return the metadata: language, license, library_name, tags and model-index."""
        found: dict[str, Any] = {"language": list(self.languages)} if self.languages else {}
        found |= {"license": LICENSE, "library_name": "carousel", "tags": [*self.tags]}
        if self.metrics:
            results = [{"type": key, "value": round(value, 6), "name": key} for key, value in self.metrics.items()]
            task, data = {"type": "recommendation"}, {"type": "private", "name": self.dataset, "split": "test"}
            found["model-index"] = [
                {"name": self.name, "results": [{"task": task, "dataset": data, "metrics": results}]}
            ]
        return found


@dataclass(frozen=True)
class CardNumbers:
    """What the card of a bundle is written from."""

    evaluation: Evaluation
    info: BundleInfo
    recipe: str  # digest
    code: str  # digest
    gains: Mapping[str, Interval]  # other model -> gain of the challenger in the primary metric
    languages: Mapping[str, int]  # code -> products
    textless: int  # products without a text
    counts: Mapping[str, int]  # window -> events
    spending: Spending | None = None  # the budget of differential privacy; None: learned without noise
    search: str = ""  # how search weighs its signals, and how that was judged


def bundle_card(found: CardNumbers) -> Card:
    """Return the card of a bundle."""
    evaluation, info = found.evaluation, found.info
    ours = evaluation.test[info.model]
    chosen = {name: ours[name] for name in _shown(ours, evaluation.primary)}
    start, end = (text[:10] for text in evaluation.window)
    simulated = " The shop is simulated." if info.simulated else ""
    anew = ", by lists made anew before each event" if evaluation.question == "next_event" else ""
    return Card(
        name=f"Carousel {info.model}",
        summary=(
            f"Recommends products of one shop to its users: model `{info.model}`, on events up to {info.as_of[:10]}. "
            f"On the test window {start} to {end}, {evaluation.primary} is {ours[evaluation.primary]:.4f} over "
            f"{evaluation.n_users} users{anew}.{simulated}"
        ),
        sections=[
            ("Intended use", _use(info)),
            ("Data", _data(found)),
            ("Evaluation", _evaluation(found)),
            ("Slices", _slices(evaluation, info.model)),
            ("Search", found.search),
            ("Privacy", describe_spending(found.spending) if found.spending else ""),
            ("Limits", "".join(f"- {limit}\n" for limit in limits_of(found))),
            ("How it was made", _origin(found)),
        ],
        languages=[CODES.get(code, code) for code in sorted(found.languages) if code],
        tags=["recommendation", "recommender-system", "implicit-feedback", info.model],
        metrics=chosen,
    )


def limits_of(found: CardNumbers) -> list[str]:
    """Return what the measurements show against the model, and what they do not show."""
    evaluation, model = found.evaluation, found.info.model
    reference = _reference(evaluation)
    gain, private = found.gains.get(reference), found.spending is not None
    return find_limits(evaluation, model, reference, gain, found.textless, found.info.n_items, private)


def gains_over(values: Mapping[str, Any], challenger: str, others: Sequence[str], seed: int) -> dict[str, Interval]:
    """Return the paired intervals of the challenger's gain; values: model -> (n_users,) primary metric."""
    from components.evaluation.comparison import paired_bootstrap

    if challenger not in values or len(values[challenger]) < 2:
        return {}
    return {
        name: paired_bootstrap(values[challenger], values[name], CONFIDENCE, RESAMPLES, seed)
        for name in others
        if name in values and name != challenger
    }


def compared(evaluation: Evaluation) -> list[str]:
    """Return the simple models that a card compares with: the best one, and popularity."""
    return list(dict.fromkeys([_reference(evaluation), "popularity"]))


def split_card(text: str) -> tuple[dict[str, Any], str]:
    """Return the metadata and the Markdown of a card."""
    _, header, body = text.split("---\n", 2)
    found = yaml.safe_load(header)
    return (found if isinstance(found, dict) else {}), body.strip() + "\n"


def read_card(bundle: Path) -> str | None:
    """Return the card of a bundle; None in bundles before version 0.5."""
    file = bundle / README
    return file.read_text(encoding="utf-8") if file.is_file() else None


def _reference(evaluation: Evaluation) -> str:
    return evaluation.best_simple or "popularity"


def _shown(metrics: Mapping[str, float], primary: str) -> list[str]:
    """Return the names of the metrics to show, the deciding one first; overlap compares with a champion: never."""
    k = primary.rsplit("_", 1)[1]
    wanted = [f"{family}_at_{k}" for family in SHOWN]
    return [name for name in dict.fromkeys([primary, *wanted]) if name in metrics]


def _use(info: BundleInfo) -> str:
    seen = (
        "without products that the user had before"
        if info.exclude_seen
        else "also with products that the user had before"
    )
    return (
        f"Ranked lists of this shop's {info.n_items} products, for users with or without a history, {seen}; up to "
        f"{info.max_history} events of a history count. The service loads the bundle: `carousel serve`.\n\n"
        "Out of scope: other shops and other catalogues, decisions about persons such as credit or prices, and "
        "inferring who a user is. The bundle holds no user ids."
    )


def _data(found: CardNumbers) -> str:
    evaluation, info, completion = found.evaluation, found.info, found.info.completion
    rows = [("products", str(info.n_items)), ("products without a text", str(found.textless))]
    rows += [(f"events, {window} window", str(n)) for window, n in found.counts.items()]
    rows += [("events learned", completion.describe())] if completion else []
    rows += [("languages of products", ", ".join(f"{c or 'unknown'} {n}" for c, n in sorted(found.languages.items())))]
    weights = ", ".join(f"{event} {weight:g}" for event, weight in sorted(info.weights.items()))
    rows += [
        ("weights of events", weights),
        ("protocol", evaluation.protocol),
        ("vectors of texts", info.encoder.model),
    ]
    return _table(("what", "value"), rows) + "\n\nThe license above is that of the code, not of the data."


def _evaluation(found: CardNumbers) -> str:
    evaluation, model = found.evaluation, found.info.model
    others = [name for name in compared(evaluation) if name in evaluation.test]
    names = list(dict.fromkeys([model, *others]))
    rows = [
        (
            metric,
            *(f"{evaluation.test[name][metric]:.4f}" if metric in evaluation.test[name] else "-" for name in names),
        )
        for metric in _shown(evaluation.test[model], evaluation.primary)
    ]
    lines = [_table(("metric", *names), rows), ""]
    lines += [
        f"Gain over {name} in {evaluation.primary}: {gain.gain:+.4f} ({gain.low:+.4f} to {gain.high:+.4f}, "
        f"{CONFIDENCE:.0%} paired bootstrap interval over {gain.n_users} users).\n"
        for name, gain in found.gains.items()
    ]
    return "\n".join(lines)


def _slices(evaluation: Evaluation, model: str) -> str:
    primary, reference = evaluation.primary, _reference(evaluation)
    by_model: dict[str, dict[str, SliceRow]] = {}
    for row in evaluation.slices:
        by_model.setdefault(row.model, {})[row.slice] = row
    rows = []
    for name, row in by_model.get(model, {}).items():
        other = by_model.get(reference, {}).get(name)
        shown = f"{other.metrics[primary]:.4f}" if other is not None else "-"
        rows.append((name, str(row.n_users), f"{row.metrics[primary]:.4f}", shown))
    return _table(("slice", "users", f"{primary}, {model}", f"{primary}, {reference}"), rows) if rows else ""


def _origin(found: CardNumbers) -> str:
    chosen = f"\n\nWhy this model: {found.evaluation.choice.why}" if found.evaluation.choice else ""
    return (
        _table(("what", "value"), [("recipe", f"`{found.recipe}`"), ("code", f"`{found.code}`")])
        + f"\n\n`carousel reproduce VERSION` rebuilds it from data, parameters and code.{chosen}"
    )


def _table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |" for line in lines)
