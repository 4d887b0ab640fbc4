"""What a version's run shows in MLflow: few numbers under the same names for the version and for each candidate.

All numbers of a run, several hundred, are in the files reports/*/metrics.json of its record.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

TEST = "evaluate/test/"
RANKER, LANGUAGE_MODEL = "ranker", "language model"
CURVES_OF = {"finetune": "sequence", "rank": RANKER, "pretrain": LANGUAGE_MODEL}  # stage -> the model that it trains
RANKER_MEASURES = ("auc", "log_loss", "calibration_error")
HEADLINE = {  # name in a run -> name among all metrics
    "gain": "evaluate/gain/champion",
    "gain_low": "evaluate/gain_low/champion",
    "gain_high": "evaluate/gain_high/champion",
    "drifted_share": "drift/drifted_share",
    "volume_ratio": "drift/volume_ratio",
    "events": "ingest/events/valid",
    "products": "ingest/products/valid",
    "users": "split/users",
    "test_users": "split/test/users",
}
Curves = Mapping[str, Mapping[str, list[float]]]  # stage -> curve -> values by epoch


@dataclass(frozen=True)
class CandidateRun:
    """One model of the contest, or one that is trained beside it: a child of the version's run."""

    name: str
    role: str  # challenger, champion, candidate, baseline; component: in no contest
    metrics: Mapping[str, float]
    params: Mapping[str, str] = field(default_factory=dict)
    curves: Mapping[str, list[float]] = field(default_factory=dict)


def headline(metrics: Mapping[str, float], model: str, primary: str) -> dict[str, float]:
    """Return the metrics of the version's own run: those of its model, the gain over the champion, drift and counts."""
    found = {name: metrics[key] for name, key in HEADLINE.items() if key in metrics}
    return _measures(metrics, model, primary) | found


def split_candidates(
    metrics: Mapping[str, float], params: Mapping[str, str], curves: Curves, model: str, primary: str
) -> list[CandidateRun]:
    """Return the models of the contest, the challenger `model` first, then the ranker and the language model.

    metrics: of all stages, such as "evaluate/test/als/ndcg_at_10". params: flat. primary: the metric that decides; it
    says at which list length the metrics of a candidate are taken.
    """
    named = sorted({name.removeprefix(TEST).split("/")[0] for name in metrics if name.startswith(TEST)})
    trained = {CURVES_OF[stage]: series for stage, series in curves.items() if stage in CURVES_OF}
    found = [
        CandidateRun(
            name,
            _role(name, model, params),
            _measures(metrics, name, primary),
            dict(_params(params, name)),
            trained.get(name, {}),
        )
        for name in sorted(named, key=lambda name: name != model)
    ]
    ranker = {
        f"{task}_{measure}": metrics[f"rank/{task}/{measure}"]
        for task in ("click", "cart", "purchase")
        for measure in RANKER_MEASURES
        if f"rank/{task}/{measure}" in metrics
    }
    for name, values in ((RANKER, ranker), (LANGUAGE_MODEL, {})):
        if values or trained.get(name):
            found.append(CandidateRun(name, "component", values, {}, trained.get(name, {})))
    return found


def _role(name: str, model: str, params: Mapping[str, str]) -> str:
    if name in (model, "champion"):
        return "challenger" if name == model else name
    return "candidate" if name in json.loads(params.get("evaluation.candidates", "[]")) else "baseline"


def _measures(metrics: Mapping[str, float], name: str, primary: str) -> dict[str, float]:
    """Return "ndcg_at_10" and the like of one model: on the test window, and what is related to the primary metric."""
    length = primary[primary.index("_at_") :]
    test = f"{TEST}{name}/"
    found = {key.removeprefix(test): value for key, value in metrics.items() if key.startswith(test)}
    found = {key: value for key, value in found.items() if key.endswith(length)}
    related = {
        f"validation_{primary}": f"evaluate/validation/{name}/{primary}",
        "challenger_gain": f"evaluate/gain/{name}",
        "fit_seconds": f"fit/fit/{name}/seconds",
    }
    return found | {key: metrics[other] for key, other in related.items() if other in metrics}


def _params(params: Mapping[str, str], name: str) -> Iterator[tuple[str, str]]:
    """Yield the parameters of one model: "l2" and the like; of the sequence model its training, too."""
    prefix = f"models.{name}."
    for key, value in params.items():
        if key.startswith(prefix):
            yield key.removeprefix(prefix), value
        elif name == "sequence" and key.startswith("trainer."):
            yield key, value
