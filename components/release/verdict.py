"""The decision of the gate that an evaluation asks for: that of a retrain, or that of a refresh."""

from datetime import datetime

from components.contracts import Decision
from components.params import Params
from components.release import gate
from components.release.contest import Contenders, Measurements
from components.release.refresh_gate import decide_refresh
from components.release.refresh_history import RefreshHistory, read_history
from components.release.registry import Registry


def decide(
    measured: Measurements,
    contenders: Contenders,
    params: Params,
    registry: Registry,
    bootstrap: bool,
    decided_at: datetime,
) -> Decision:
    """Return the decision by the purpose of the evaluation.

    registry: with the record of the champion, which a refresh reads. Raises what the gate raises.
    """
    if measured.evaluation.purpose == "retrain":
        return gate.decide(measured, contenders, params, bootstrap, decided_at)
    serving, history = contenders.champion, RefreshHistory()
    if serving is not None:
        history = read_history(registry.version(serving.version), registry, params.gate.confidence)
    return decide_refresh(measured, contenders, params, history, decided_at)
