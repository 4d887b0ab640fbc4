"""The decision of the gate that an evaluation asks for: that of a retrain, or that of a refresh."""

from datetime import datetime
from pathlib import Path

from components.contracts import Decision
from components.errors import ContractError, ReleaseError
from components.io import read_record
from components.monitoring.data_checks import DataChecks
from components.params import Params
from components.release import gate
from components.release.gate import Contenders, Measurements
from components.release.refresh_gate import decide_refresh
from components.release.refresh_history import RefreshHistory, read_history
from components.release.registry import Registry


def decide(
    measured: Measurements,
    contenders: Contenders,
    data_checks: Path,
    params: Params,
    registry: Registry,
    bootstrap: bool,
    decided_at: datetime,
) -> Decision:
    """Return the decision by the purpose of the evaluation.

    data_checks: reports/drift/data_checks.json, and registry: with the record of the champion; both read for a refresh.
    Raises what the gate raises, and ReleaseError for a file that is missing or damaged.
    """
    if measured.evaluation.purpose == "retrain":
        return gate.decide(measured, contenders, params, bootstrap, decided_at)
    try:
        checks = read_record(data_checks, DataChecks, "data_checks", "run the stage `drift` again").checks
    except ContractError as error:
        raise ReleaseError(str(error)) from None
    serving, history = contenders.champion, RefreshHistory()
    if serving is not None:
        history = read_history(registry.version(serving.version), registry, params.gate.confidence)
    return decide_refresh(measured, contenders, params, history, checks, decided_at)
