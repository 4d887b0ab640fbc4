"""The search: Optuna proposes values, a trial measures them, a file stores the result. Only this module imports Optuna.

A trial is a function of the seed, its number and the trials before it; so a killed search resumes to the same result,
and the same seed gives the same trials. Trial 0 has the current parameters.
"""

import json
import logging
import shutil
import time
from pathlib import Path
from typing import Any, Literal

import numpy as np

from components.contracts import FloatArray, Record
from components.errors import ContractError, ParamsError
from components.io import read_record, sha256_bytes, write_record
from components.params import Params, section_of
from components.tuning import space
from components.tuning.measure import digest, measure, read_tuning_data

log = logging.getLogger(__name__)


class Trial(Record):
    """One set of values and its result."""

    model: str
    number: int
    values: dict[str, int | float]
    state: Literal["complete", "pruned", "failed"]
    value: float | None  # mean of the primary metric over validation users; None unless complete
    epochs: list[float]  # validation NDCG@10 after each epoch, of a model that is trained by epochs
    seconds: float
    why: str  # of a failed trial


class _PrunedError(Exception):
    """Raised when the pruner stops a trial that is below the median of the others."""


def key_of(root: Path, params: Params, model: str) -> str:
    """Return a digest of all that a model's trials depend on; trials with another key are not continued."""
    tune, models = params.tune, params.models
    sections: dict[str, Any] = {"model": getattr(models, model), "prior": models.popularity, "lists": params.recommend}
    sections |= tune.of(model) | ({"trainer": params.trainer} if model == "sequence" else {})
    contents = {name: section.model_dump(mode="json") for name, section in sections.items()}
    numbers = [params.seed, params.evaluation.primary, tune.startup_trials, tune.max_epochs, tune.min_epochs]
    return sha256_bytes(f"{digest(root)}{json.dumps(contents, sort_keys=True)}{numbers}".encode())


def run_trial(root: Path, folder: Path, params: Params, model: str, number: int) -> Trial:
    """Return trial `number` of the model: read from folder, or measured now on the split and features in root.

    The earlier trials must exist. Values that fail, such as a learning rate that diverges, make a failed trial;
    for the current parameters (trial 0) the error is raised.
    """
    trials = _prepared_folder(folder / model, key_of(root, params, model))
    file = trials / f"{number:03d}.json"
    if file.exists():
        return read_record(file, Trial, "trial")
    trial, values = _measured(root, params, model, number, read_trials(folder, model)[:number])
    if values is not None:
        from safetensors.numpy import save_file

        save_file({"value": values}, file.with_suffix(".safetensors"))
    write_record(file, trial)
    return trial


def read_trials(folder: Path, model: str) -> list[Trial]:
    """Return the trials of a model that are stored in folder, in their order."""
    return [read_record(file, Trial, "trial") for file in sorted((folder / model).glob("*.json"))]


def read_values(folder: Path, trial: Trial) -> FloatArray:
    """Return (n_users,) the primary metric of each validation user in a complete trial."""
    from safetensors.numpy import load_file

    values: FloatArray = load_file(folder / trial.model / f"{trial.number:03d}.safetensors")["value"]
    return values


def format_trial(trial: Trial, primary: str) -> str:
    """Return the result of a trial in one line."""
    result = f"{primary} {trial.value:.4f}" if trial.value is not None else trial.state
    name = "current parameters" if trial.number == 0 else f"trial {trial.number}"
    return f"{trial.model}, {name}: {result} with {space.format_values(trial.values)}"


def _prepared_folder(folder: Path, key: str) -> Path:
    """Return the folder, emptied if it held trials of another search."""
    mark = folder / "search.txt"
    if not mark.exists() or mark.read_text(encoding="utf-8") != key:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        mark.write_text(key, encoding="utf-8")
    return folder


def _measured(
    root: Path, params: Params, model: str, number: int, earlier: list[Trial]
) -> tuple[Trial, FloatArray | None]:
    started = time.monotonic()
    proposed = _propose(params, model, number, earlier) if number else None
    values = _rounded(params, model, proposed.params) if proposed else space.current_values(params, model)
    bound = _bound(params, values)
    epochs: list[float] = []

    def after_epoch(value: float) -> None:
        epochs.append(value)
        if proposed and len(epochs) < bound["trainer.max_epochs"]:  # pruning after the last epoch saves nothing
            proposed.report(value, len(epochs))
            if proposed.should_prune():
                raise _PrunedError

    state, why, found = "complete", "", None
    try:
        own = space.with_values(params, {**values, **bound})
        found = measure(read_tuning_data(root, params), model, own, after_epoch=after_epoch)
    except _PrunedError:
        state = "pruned"
    except (ContractError, ParamsError) as error:
        if number == 0:
            raise
        state, why = "failed", str(error)
        log.warning("%s %d failed: %s", model, number, why)
    content = {"model": model, "number": number, "values": values, "state": state, "why": why, "epochs": epochs}
    content |= {"value": None if found is None else float(found.mean(dtype=np.float64))}
    return Trial.model_validate(content | {"seconds": round(time.monotonic() - started, 2)}), found


def _bound(params: Params, values: space.Values) -> dict[str, float]:
    epochs = values.get("trainer.max_epochs", params.trainer.max_epochs)
    return {"trainer.max_epochs": min(epochs, params.tune.max_epochs)}


def _propose(params: Params, model: str, number: int, earlier: list[Trial]) -> Any:
    """Return Optuna's next trial given the earlier ones."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    tune = params.tune
    seed = int(np.random.SeedSequence([params.seed, number]).generate_state(1)[0])
    study = optuna.create_study(
        direction="maximize",
        sampler=optuna.samplers.TPESampler(seed=seed, n_startup_trials=tune.startup_trials),
        pruner=optuna.pruners.MedianPruner(tune.startup_trials, n_warmup_steps=tune.min_epochs),
    )
    ranges: dict[str, optuna.distributions.BaseDistribution] = {
        name: (
            optuna.distributions.IntDistribution(int(search_range.low), int(search_range.high), log=search_range.log)
            if _is_whole(params, name)
            else optuna.distributions.FloatDistribution(search_range.low, search_range.high, log=search_range.log)
        )
        for name, search_range in tune.of(model).items()
    }
    # The current parameters count where they lie within the ranges.
    states = {"complete": optuna.trial.TrialState.COMPLETE, "pruned": optuna.trial.TrialState.PRUNED}
    for trial in earlier:
        inside = all(
            search_range.low <= trial.values[name] <= search_range.high for name, search_range in tune.of(model).items()
        )
        if trial.state in states and inside:
            study.add_trial(
                optuna.trial.create_trial(
                    state=states[trial.state],
                    value=trial.value,
                    params=trial.values,
                    distributions=ranges,
                    intermediate_values=dict(enumerate(trial.epochs, start=1)),
                )
            )
    return study.ask(ranges)


def _rounded(params: Params, model: str, values: dict[str, float]) -> dict[str, float]:
    """Return the values rounded to four significant digits, within their ranges."""
    ranges = params.tune.of(model)
    return {
        name: value if _is_whole(params, name) else min(max(float(f"{value:.4g}"), ranges[name].low), ranges[name].high)
        for name, value in values.items()
    }


def _is_whole(params: Params, name: str) -> bool:
    return isinstance(getattr(*section_of(params, name)), int)
