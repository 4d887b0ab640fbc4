"""Stage `fit`: all models without a stage of their own, on the training window -> models/simple/<name>/.

With a recipe: those that it needs, on all events before the holdout. With privacy.epsilon: those that learn from sums
with noise; the noise is recorded in models/simple/privacy.json.
"""

import logging
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from components.contracts import Catalogue, Interactions, Recommender, Users
from components.data.tables import read_catalogue, read_training, read_users
from components.origin import read_split_origin, stamp
from components.params import Params
from components.privacy.accounting import Mechanism, write_mechanisms
from components.recommenders.factory import SIMPLE, create, usable
from components.recommenders.sums import SummedRecommender, sums_for
from components.stages.noise_secret import noise_secret
from components.stages.run import stage, write_metrics

log = logging.getLogger("fit")


def needed(params: Params) -> list[str]:
    """Return the simple models to fit; with a recipe those that it ships or is compared with, and the fallback."""
    if params.selection is None:
        return usable(SIMPLE, params)
    parts = params.selection.blend.parts if params.selection.blend else []
    named = {"popularity", params.selection.recommender, params.selection.best_simple, *parts}
    named |= {*params.evaluation.baselines}
    return [name for name in SIMPLE if name in named]


def fit(
    params: Params, split: Path, features: Path, out: Path, names: Sequence[str], windows: Sequence[str] | None = None
) -> dict[str, float]:
    """Fit the models and save each below `out`; return the seconds of each.

    windows: whose events they learn from; None: those of the split.
    """
    interactions, catalogue = read_training(split, windows), read_catalogue(split, features)
    users = read_users(split, "validation")
    log.info("%s events of %s users on %s items", len(interactions), interactions.n_users, interactions.n_items)
    metrics: dict[str, float] = {"fit/events": len(interactions), "fit/items": interactions.n_items}
    unfitted = [create(name, params) for name in names]
    fit_one, mechanism = fitter(params, unfitted, interactions, catalogue, users)
    for number, (name, model) in enumerate(zip(names, unfitted, strict=True), start=1):
        started = time.perf_counter()
        fit_one(model).save(out / name)
        metrics[f"fit/{name}/seconds"] = round(time.perf_counter() - started, 3)
        log.info("%s/%s %s: %.1f s", number, len(names), name, metrics[f"fit/{name}/seconds"])
    write_mechanisms(out, [mechanism] if mechanism else [])
    return metrics


def fitter(
    params: Params, models: Sequence[Recommender], events: Interactions, catalogue: Catalogue, users: Users
) -> tuple[Callable[[Recommender], Recommender], Mechanism | None]:
    """Return a function that fits one of the models from sums that all share; and the noise in them, if any."""
    if params.privacy.epsilon is None:
        sums = sums_for(models, events)
        return (
            lambda model: (
                model.fit_from(sums, catalogue)
                if isinstance(model, SummedRecommender)
                else model.fit(events, catalogue, users)
            ),
            None,
        )
    from components.recommenders.private_sums import PrivateSums, fit_privately

    days = {model.half_life_days for model in models if isinstance(model, SummedRecommender)}
    noised = PrivateSums.of(events, days, params.models.transitions, params.privacy, noise_secret(params))
    log.info("the sums have noise: %s", noised.mechanism)
    return lambda model: fit_privately(model, noised, catalogue), noised.mechanism


def main() -> None:
    """Fit in the current folder."""
    with stage("fit", "models/simple", "reports/fit", check_leaks=True) as params:
        split, features, models = Path("data/split"), Path("features"), Path("models/simple")
        metrics = fit(params, split, features, models, needed(params))
        stamp(models, read_split_origin(split, features))
        write_metrics(Path("reports/fit"), metrics)


if __name__ == "__main__":
    main()
