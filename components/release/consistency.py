"""Whether the registry's alias and the shop's ledger agree on the version that serves."""

from __future__ import annotations

from components.release.ledger import Ledger
from components.release.registry import Registry


def find_disagreement(ledger: Ledger, registry: Registry) -> str | None:
    """Return how ledger and registry disagree on what serves, with what to do; None where they agree.

    A machine without deployments agrees with any alias. While a promotion is open, the next call of `promote` or
    `rollback` decides what serves.
    """
    deployed = ledger.serving_stack()
    if not deployed or ledger.open_intent() is not None:
        return None
    digests, alias = registry.digests(), registry.aliases().get("champion")
    known = [d for d in deployed if digests.get(d.version) == d.digest]
    if not known:
        last, newest = deployed[-1], max(d.version for d in deployed)
        if newest not in digests and max(digests, default=0) > newest:
            return None  # the same registry, where the versions that served were deleted: MLflow counts on
        return (
            f"the ledger says that version {last.version} ({last.digest[:12]}) serves since {last.at}, but the "
            f"registry holds no version of {registry.name} that ever served: restore the registry (mlflow.db and "
            "mlflow-artifacts from a backup, or CAROUSEL_TRACKING_URI); to begin anew without comparing with what "
            f"served, rename {ledger.path.relative_to(registry.settings.home)} below CAROUSEL_HOME"
        )
    if alias == known[-1].version:
        return None
    says = "no champion" if alias is None else f"version {alias} ({digests.get(alias, 'not registered')[:12]})"
    return (
        f"the alias champion says {says}, the ledger says that version {known[-1].version} serves: the alias was moved "
        "by hand; repair it with `carousel rollback --to VERSION`"
    )
