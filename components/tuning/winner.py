"""The result of a search: the best trial of a model against its current parameters, on the same validation users."""

from pathlib import Path

from components.contracts import Interval, Record
from components.evaluation.comparison import paired_bootstrap
from components.params import Params
from components.tuning.search import read_trials, read_values


class BestTrial(Record):
    """The best trial of a model, and whether it beats the current parameters."""

    model: str
    n_trials: int  # without trial 0
    n_pruned: int
    n_failed: int
    present: float  # primary metric on validation
    best: float
    number: int  # of the best trial; 0: the current parameters are the best
    before: dict[str, int | float]
    values: dict[str, int | float]
    gain: Interval | None  # best minus present, its interval widened for so many trials; None where none is better
    wins: bool

    def changes(self) -> str:
        """Return the values before and after; "" where the current ones are the best."""
        values = self.values if self.number else {}
        return ", ".join(f"{name} {self.before[name]:g} -> {value:g}" for name, value in values.items())

    def story(self, primary: str, run_id: str) -> str:
        """Return in one line where the values come from: run, values and metric before and after."""
        gain = f", gain {self.gain.low:+.4f} to {self.gain.high:+.4f}" if self.gain else ""
        metric = f"{primary} on validation {self.present:.4f} -> {self.best:.4f}{gain}"
        return f"MLflow run {run_id}; {self.changes()}; {metric}; best of {self.n_trials} trials"


def judge(folder: Path, model: str, params: Params) -> BestTrial:
    """Return the best trial that is stored in folder; it wins where the lower bound of its gain is above 0.

    The best of n trials is biased upwards, so the interval is that of one of n comparisons: its confidence is
    1 - (1 - gate.confidence) / n (Bonferroni).
    """
    trials = read_trials(folder, model)
    done = [trial for trial in trials if trial.value is not None]
    present, best = done[0], max(done, key=lambda trial: (trial.value or 0.0, -trial.number))
    n, gain = len(trials) - 1, None
    if best.number:
        own, other = read_values(folder, best), read_values(folder, present)
        confidence = 1 - (1 - params.gate.confidence) / n
        gain = paired_bootstrap(own, other, confidence, params.gate.resamples, params.seed)
    return BestTrial(
        model=model,
        n_trials=n,
        n_pruned=sum(trial.state == "pruned" for trial in trials),
        n_failed=sum(trial.state == "failed" for trial in trials),
        present=present.value or 0.0,
        best=best.value or 0.0,
        number=best.number,
        before=present.values,
        values=best.values,
        gain=gain,
        wins=gain is not None and gain.low > 0,
    )
