"""What is known of a refresh's champion when it is judged: the refreshes before it, and how well it ranked then."""

from dataclasses import dataclass
from pathlib import Path
from statistics import NormalDist
from tempfile import TemporaryDirectory

from components import io
from components.contracts import Decision, Evaluation, Interval, Question
from components.errors import ContractError, ReleaseError, TamperedError
from components.release.checks import TOTAL_LOSS
from components.release.registry import Registry, Version

DECISION = "reports/decision.json"
EVALUATION = "reports/evaluate/evaluation.json"


@dataclass(frozen=True)
class RefreshHistory:
    """The refreshes that shipped since the last retrain, and the newest of them: the champion.

    The champion of a retrain has none: its test window is of another length, so its metrics are not compared.
    """

    total: float = 0.0  # sum of the gains, each as a share of the champion's metric at that time
    error: float = 0.0  # standard error of that sum
    level: float | None = None  # the champion's primary metric on the holdout of its own refresh
    level_at: str = ""  # ISO date-time, end of that holdout
    question: Question = "global_time"  # by which the level was measured


def read_history(version: Version, registry: Registry, confidence: float) -> RefreshHistory:
    """Return the history in the record of the version that serves, which its own decision and evaluation hold.

    confidence: gate.confidence. Raises TamperedError when a file is not the one that was registered.
    """
    if not version.decision_digest:
        return RefreshHistory()
    with TemporaryDirectory() as folder:
        files = {
            name: registry.download_artifact(version.number, name, Path(folder)) for name in (DECISION, EVALUATION)
        }
        content = {name: file.read_bytes() for name, file in files.items()}
    known = {DECISION: version.decision_digest, EVALUATION: version.evaluation_digest}
    for name, digest in known.items():
        if io.sha256_bytes(content[name]) != digest:
            raise TamperedError(
                f"version {version.number}: {name} in the registry is not the one that was registered: the sum of "
                "losses since the last retrain is unknown; run `carousel retrain`"
            )
    where = f"version {version.number}"
    try:
        decision = io.parse_record(content[DECISION], Decision, "decision", f"{where}: {DECISION}")
        evaluation = io.parse_record(content[EVALUATION], Evaluation, "evaluation", f"{where}: {EVALUATION}")
    except ContractError as error:
        raise ReleaseError(str(error)) from None
    return history_after(decision, evaluation, confidence)


def history_after(decision: Decision, evaluation: Evaluation, confidence: float) -> RefreshHistory:
    """Return the history once the model of this decision serves; an empty one after a retrain."""
    if decision.purpose != "refresh":
        return RefreshHistory()
    check = next((check for check in decision.checks if check.name == TOTAL_LOSS), None)
    if check is None or check.value is None or check.high is None:
        raise ReleaseError(
            "the champion's decision has no sum of losses since the last retrain; run `carousel retrain`"
        )
    error = (check.high - check.value) / NormalDist().inv_cdf(confidence)
    level = evaluation.test[evaluation.challenger][evaluation.primary]
    return RefreshHistory(check.value, error, level, evaluation.as_of, evaluation.question)


def standard_error(interval: Interval, confidence: float) -> float:
    """Return the standard error of the gain, from the width of its two-sided interval (normal approximation)."""
    return (interval.high - interval.low) / (2 * NormalDist().inv_cdf((1 + confidence) / 2))


def chance_bound(value: float, error: float, confidence: float) -> float:
    """Return the one-sided upper bound of a value with this standard error; below 0, chance does not explain it."""
    return value + NormalDist().inv_cdf(confidence) * error
