"""The record of the ads application: what ships, and the numbers behind it."""

from __future__ import annotations

from collections.abc import Mapping

from components.applications.ads.build import AdsResult
from components.applications.reasons import Reason
from components.applications.record import ApplicationRecord

LIMITS = (
    "Features of users are those at the end of the training window; the service computes them anew at each request.",
    "Pacing is replayed with outcomes drawn from the published probabilities, not observed.",
    "A click counts in the hour in which it happens, money on the day (UTC) on which it is charged.",
)


def make_record(
    result: AdsResult | None, as_of: str, simulated: bool, counts: Mapping[str, int], reason: Reason | None
) -> ApplicationRecord:
    """Return the record; result None: nothing is published, for this reason."""
    if result is None:
        assert reason is not None
        return ApplicationRecord(
            application="ads", as_of=as_of, simulated=simulated, ships="nothing", reasons=[reason], metrics={},
            counts=dict(counts),
        )  # fmt: skip
    reasons = [reason for found in result.calibrated.values() for reason in found.verdict.reasons]
    ships = "model" if any(found.verdict.ships for found in result.calibrated.values()) else "baseline"
    return ApplicationRecord(
        application="ads",
        as_of=as_of,
        simulated=simulated,
        ships=ships,  # type: ignore[arg-type]
        reasons=reasons,
        metrics=_metrics(result),
        limits=LIMITS,
        counts=dict(counts) | {f"log/{name}": n for name, n in result.log_counts.items()},
    )


def _metrics(result: AdsResult) -> dict[str, float]:
    """Return flat metrics: calibration of each event, values of policies, and the replay."""
    metrics: dict[str, float] = {}
    for event, found in result.calibrated.items():
        verdict = found.verdict
        metrics |= {
            f"{event}/ships": float(verdict.ships),
            f"{event}/calibration_error": verdict.error.value,
            f"{event}/calibration_error_low": verdict.error.low,
            f"{event}/calibration_error_high": verdict.error.high,
            f"{event}/calibration_error_uncalibrated": verdict.error_uncalibrated.value,
            f"{event}/calibration_error_base_rate": verdict.error_base_rate.value,
            f"{event}/log_loss": verdict.log_loss,
            f"{event}/log_loss_uncalibrated": verdict.log_loss_uncalibrated,
            f"{event}/log_loss_base_rate": verdict.log_loss_base_rate,
        }
    for name, value in result.policies.items():
        for how in ("ips", "snips", "dr", "gain"):
            estimate = getattr(value, how)
            metrics |= {f"policy/{name}/{how}": estimate[0], f"policy/{name}/{how}_low": estimate[1],
                        f"policy/{name}/{how}_high": estimate[2]}  # fmt: skip
    if result.replay is not None:
        metrics["replay/largest_share_of_a_budget"] = float(result.replay.used().max())
        metrics["replay/impressions"] = float(result.replay.impressions)
    return metrics
