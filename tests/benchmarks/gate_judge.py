"""Full decisions of both gates on per-user values, for bench_gate.py."""

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from gate_data import METRIC, K

from components.contracts import ChampionRef, Check, Decision, DriftVerdict, Evaluation, FloatArray, IntArray, SliceRow
from components.evaluation.list_comparison import concentration_at_k, mean_overlap_at_k, score_spread
from components.evaluation.metrics import coverage_at_k
from components.params import Params
from components.release.contest import Contenders, Measurements
from components.release.gate import decide
from components.release.refresh_gate import decide_refresh
from components.release.refresh_history import RefreshHistory

NAMES = {"als": "als", "als 2": "champion", "neighbours": "neighbours"}  # challenger, champion, simple model
REFS = ChampionRef(version=2, digest="2" * 64, model="als"), ChampionRef(version=1, digest="1" * 64, model="als")
DRIFT = DriftVerdict(
    drifted=False, computable=True, reasons=[], columns={}, thresholds={}, n_reference=1, n_current=1, reference="x"
)
DATA = Check(name="data: volume", passed=True, value=1.0, limit=2.0, why="not a part of this benchmark")
SAME_LISTS = {"overlap_at_10": 1.0, "concentration_at_10": 0.5, "score_spread_at_10": 1.0}
AT = datetime(2026, 1, 1, tzinfo=UTC)
Lists = Mapping[str, tuple[IntArray, FloatArray]]


class Judge:
    """Builds an evaluation from values, and asks the gate."""

    def __init__(self, folder: Path, params: Params) -> None:
        self.file, self.params = folder / "per_user.parquet", params
        self.evaluation: Evaluation

    def retrain(self, values: Mapping[str, FloatArray], cold: np.ndarray) -> Decision:
        """Return the verdict on "als" as a challenger of the champion "als 2"."""
        return decide(self._measure(values, cold, "retrain", None), Contenders(*REFS), self.params, False, AT)

    def refresh(
        self, values: Mapping[str, FloatArray], cold: np.ndarray, history: RefreshHistory | None = None,
        lists: Lists | None = None,
    ) -> Decision:  # fmt: skip
        """Return the verdict on "als" as the refreshed model."""
        measured = self._measure(values, cold, "refresh", lists)
        return decide_refresh(measured, Contenders(*REFS), self.params, history or RefreshHistory(), AT)

    def _measure(
        self, values: Mapping[str, FloatArray], cold: np.ndarray, purpose: str, lists: Lists | None
    ) -> Measurements:
        everybody = np.ones(len(cold), bool)
        masks = {name: m for name, m in (("all", everybody), ("user:cold", cold), ("user:warm", ~cold)) if m.any()}
        parts = {(s, model): values[model][mask] for s, mask in masks.items() for model in NAMES}
        tables = [
            pa.table({"user_row": np.flatnonzero(masks[s]).astype(np.int32), "model": pa.repeat(NAMES[m], len(own)),
                      "slice": pa.repeat(s, len(own)), METRIC: own})
            for (s, m), own in parts.items()
        ]  # fmt: skip
        pq.write_table(pa.concat_tables(tables), self.file, write_page_checksum=True)
        test = {
            NAMES[model]: {METRIC: float(values[model].mean(dtype=np.float64)), f"coverage_at_{K}": 0.5}
            | (_describe(lists, model) if lists else SAME_LISTS)
            for model in NAMES
        }
        self.evaluation = Evaluation(
            as_of=AT.isoformat(), protocol="global_time", window=("", ""), simulated=False, n_users=len(cold),
            n_items=1, primary=METRIC, challenger="als", baselines=["neighbours"], champion=REFS[1],
            champion_saw_test=False, validation={"als": {METRIC: 0.1}}, test=test, overfit_gap={}, purpose=purpose,
            slices=[
                SliceRow(slice=s, model=NAMES[m], n_users=len(own), metrics={METRIC: float(own.mean())})
                for (s, m), own in parts.items() if s != "all"
            ],
        )  # fmt: skip
        return Measurements(self.evaluation, "0" * 64, self.file, DRIFT, latency_ms=1.0, data_checks=[DATA])


def refuse_reasons(decision: Decision) -> set[str]:
    """Return the names of the checks that failed."""
    return {check.name for check in decision.checks if not check.passed}


def _describe(lists: Lists, model: str) -> dict[str, float]:
    items, scores = lists[model]
    n_items = int(max(found[0].max() for found in lists.values()))
    return {
        f"coverage_at_{K}": coverage_at_k(items, n_items, K),
        "overlap_at_10": mean_overlap_at_k(items, lists["als 2"][0], 10),
        "concentration_at_10": concentration_at_k(items, n_items, 10),
        "score_spread_at_10": score_spread(scores[:, :10]),
    }
