"""Stage `evaluate`: all models and the champion on the same users -> reports/evaluate."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

from components.contracts import Evaluation, Interval, Recommender, Users
from components.data.tables import SplitInfo, read_interactions
from components.evaluation import evaluator, report, report_data
from components.evaluation.out_of_fold import OutOfFold, read_out_of_fold
from components.evaluation.protocol import champion_saw_test
from components.evaluation.retention import measure_retention
from components.io import write_json, write_record
from components.params import Params
from components.stages.champion_ref import read_champion_ref
from components.stages.incumbent_ref import read_incumbent_ref
from components.stages.run import SUMMARY, stage, write_metrics, write_table
from components.times import to_iso
from components.unfinished import read_unfinished, read_unfinished_models

SHOWN = {"champion": "incumbent"}  # `dvc exp show` fails where a metric has the name of a dependency, champion/
N_FAVOURITES = 10  # titles that the report lists for a model


def evaluate(root: Path, params: Params) -> Evaluation:
    """Write reports/evaluate/{evaluation.json, per_user.parquet, report.html, plots, metrics.json}; return the first.

    The summary for DVC is beside them. evaluation.json is written last: where it exists, the others do.
    """
    out = root / "reports/evaluate"
    windows = evaluator.read_windows(root / "data/split", params)
    champion = read_champion(root, windows.info, windows.catalogue.item_id)
    folds = read_folds(root, windows.validation, params)
    measured = evaluator.measure(windows, loaders(root, params), champion, params, out / "per_user.parquet", folds)
    unfinished = [*read_unfinished_models(root), *read_unfinished([root / "models/incumbent"])]
    evaluation = evaluator.summarise(windows, measured, champion, params, roles(params), unfinished)
    if windows.info.protocol == "global_time":
        test = read_interactions(root / "data/split", ("test",))
        evaluation = evaluation.model_copy(update={"retention": measure_retention(test, windows.info.test_end)})
    gains = _report(out, windows, measured, evaluation, params)
    write_metrics(out, flat(evaluation, gains))
    write_summary(root / SUMMARY, evaluation)
    write_record(out / "evaluation.json", evaluation)
    return evaluation


def loaders(root: Path, params: Params) -> dict[str, Callable[[], Recommender]]:
    """Return a function that loads it for each candidate and each baseline."""
    from components.recommenders.factory import compared_names, load_model, model_folder

    return {name: partial(load_model, model_folder(root / "models", name)) for name in compared_names(params)}


def roles(params: Params) -> evaluator.Roles:
    """Return the order of the models and which are simple, by the table of recommenders."""
    from components.recommenders.factory import MODELS, SIMPLE, baseline_names, usable

    return evaluator.Roles(order=usable(MODELS, params), simple=SIMPLE, baselines=baseline_names(params))


def read_folds(root: Path, users: Users | None, params: Params) -> dict[str, OutOfFold]:
    """Return the lists out of fold of the blend, where it is a candidate; users: of the validation window."""
    from components.recommenders.factory import candidate_names

    if users is None or "hybrid" not in candidate_names(params):
        return {}
    return {"hybrid": read_out_of_fold(root / "reports/blend", len(users), max(params.evaluation.ks))}


def read_champion(root: Path, info: SplitInfo, item_ids: list[str]) -> evaluator.ServingChampion | None:
    """Return the champion: its recipe as the stage `incumbent` has fitted it, else its bundle; None if nothing serves.

    The bundle is adapted to the items of this split, as it was judged: it may have learned these days since. Raises
    TamperedError when it is not the one of champion.json.
    """
    ref = read_champion_ref(root / "champion")
    if ref is None:
        return None
    from components.release.bundle import Bundle, adapt_to_catalogue, open_bundle

    def open_serving() -> tuple[Bundle, Recommender]:
        bundle = open_bundle(root / "champion/bundle", ref.digest)
        return bundle, adapt_to_catalogue(bundle, item_ids, as_judged=True)

    fitted = read_incumbent_ref(root / "models/incumbent", ref)
    if fitted is not None:
        from components.recommenders.factory import load_model

        saw_test = fitted.selected_until > info.starts("test")
        return evaluator.ServingChampion(
            ref, load_model(root / "models/incumbent"), saw_test, lambda: open_serving()[1]
        )
    bundle, model = open_serving()
    saw_test = champion_saw_test(bundle.info.train_end, bundle.info.validation_end, info, bundle.item_ids == item_ids)
    return evaluator.ServingChampion(ref, model, saw_test)


def flat(evaluation: Evaluation, gains: dict[str, Interval]) -> dict[str, float]:
    """Return "test/ease/ndcg_at_10", "validation/...", "in_fold/...", "overfit_gap/ease", "gain/popularity", bounds."""
    out: dict[str, float] = {}
    for window, models in (("validation", evaluation.validation), ("test", evaluation.test)):
        for model, metrics in models.items():
            out |= {f"{window}/{model}/{name}": value for name, value in metrics.items()}
    out |= {f"overfit_gap/{model}": value for model, value in evaluation.overfit_gap.items()}
    out |= {f"in_fold/{model}/{evaluation.primary}": value for model, value in evaluation.in_fold.items()}
    if evaluation.retention is not None:
        out[f"retention/{evaluation.retention.days}_days"] = evaluation.retention.share
    for model, interval in gains.items():
        out |= {f"gain/{model}": interval.gain, f"gain_low/{model}": interval.low, f"gain_high/{model}": interval.high}
    return out


def write_summary(out: Path, evaluation: Evaluation) -> None:
    """Write the metric that decides: contest.json and contest.csv by model, slices.csv of the challenger."""
    primary = evaluation.primary
    contest = {SHOWN.get(model, model): metrics[primary] for model, metrics in sorted(evaluation.test.items())}
    out.mkdir(parents=True, exist_ok=True)
    write_json(out / "contest.json", contest)
    write_table(out / "contest.csv", ("model", "value"), contest.items())
    rows = [row for row in evaluation.slices if row.model == evaluation.challenger]
    write_table(
        out / "slices.csv",
        ("slice", "users", "value"),
        [(row.slice, row.n_users, row.metrics[primary]) for row in rows],
    )


def _report(
    out: Path, windows: evaluator.Windows, measured: evaluator.Measured, evaluation: Evaluation, params: Params
) -> dict[str, Interval]:
    is_retrain = evaluation.purpose == "retrain"
    confidence = params.gate.promotion_confidence if is_retrain else params.gate.confidence  # as the gates
    section, k = params.evaluation, int(params.evaluation.primary.rsplit("_", 1)[1])
    shown = (evaluation.challenger, report_data.reference(evaluation))
    return report.write_report(
        out,
        evaluation,
        {name: report.favourites_of(measured.lists[name], windows.catalogue, k, N_FAVOURITES) for name in shown},
        report.Protocol(
            ks=section.ks,
            exclude_seen=params.recommend.exclude_seen,
            min_slice_users=section.min_slice_users,
            cold_user_events=section.cold_user_events,
            validation_window=(to_iso(windows.info.starts("validation")), to_iso(windows.info.validation_end)),
            n_validation_users=windows.validation.n_users if windows.validation else 0,
            min_gain=params.gate.min_gain,
        ),
        report_data.Bootstrap(confidence, params.gate.resamples, params.seed),
    )


def main() -> None:
    """Evaluate in the current folder."""
    with stage("evaluate", "reports/evaluate") as params:
        evaluate(Path(), params)


if __name__ == "__main__":
    main()
