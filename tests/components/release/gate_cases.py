"""Evaluations for the gate, made from per-user values, and changes to them."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from components.contracts import ChampionRef, Check, Decision, DriftVerdict, Evaluation, SliceRow
from components.params import Params, load
from components.records import PRIMARY_SLICE
from components.release.contest import Contenders, Measurements
from components.release.gate import decide
from tests.support import ROOT

N = 400
CHAMPION = ChampionRef(version=3, digest="c" * 64, model="als")
CHALLENGER = ChampionRef(version=4, digest="d" * 64, model="ease")
METRIC = "ndcg_at_10"
GOOD_DRIFT = DriftVerdict(
    drifted=True, computable=True, reasons=[], columns={}, thresholds={}, n_reference=9, n_current=9, reference="x"
)
GOOD_DATA = Check(name="data: volume", passed=True, value=1.1, limit=2.0, why="as the weeks before")
BAD_DATA = GOOD_DATA.model_copy(update={"passed": False, "value": 3.0, "why": "three times more events"})
BAD_DRIFT = GOOD_DRIFT.model_copy(update={"computable": False, "reasons": ["column price is missing"]})


class Case:
    """An evaluation and its per-user file, made from per-user values; changed by the test before it is judged."""

    params: Params

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.set()
        self.rng = np.random.default_rng(7)
        base = self.rng.uniform(0.1, 0.5, N)
        self.noise = np.where(np.arange(N) % 2, 0.05, -0.05)  # cancels out in every slice
        self.values = {
            "ease": base + 0.05 + self.noise,
            "champion": base,
            "popularity": base - 0.08,
            "neighbours": base - 0.02,
        }
        self.slices = {
            "user:cold": np.arange(N) < 100,
            "user:warm": np.arange(N) >= 100,
            "language:zh": np.arange(N) < 5,
        }
        self.simpler: list[str] | None = ["popularity", "neighbours"]
        self.champion: ChampionRef | None = CHAMPION
        self.coverage = {"ease": 0.3, "champion": 0.3, "popularity": 0.01, "neighbours": 0.2, "als": 0.3}
        self.latency_ms = 5.0
        self.rolled_back: datetime | None = None
        self.same_recipe = False
        self.drift = GOOD_DRIFT
        self.data = [GOOD_DATA]
        self.bootstrap = False
        self.changes: dict[str, Any] = {}
        self.edit: Callable[[dict[str, Any]], None] = lambda tree: None

    def without_champion(self) -> None:
        self.champion = None
        self.values.pop("champion")

    def evaluation(self) -> Evaluation:
        test = {
            model: {METRIC: float(np.float32(v).mean(dtype=np.float64)), "coverage_at_20": self.coverage[model]}
            for model, v in self.values.items()
        }
        rows = [
            SliceRow(slice=name, model=model, n_users=int(mask.sum()), metrics={METRIC: float(v[mask].mean())})
            for name, mask in self.slices.items()
            for model, v in self.values.items()
        ]
        tree = Evaluation(
            as_of="2026-03-01T00:00:00+00:00",
            protocol="global_time",
            window=("a", "b"),
            simulated=True,
            n_users=len(self.values["ease"]),
            n_items=1000,
            primary=METRIC,
            challenger="ease",
            baselines=[name for name in self.values if name not in ("ease", "champion")],
            simpler=self.simpler,
            champion=self.champion,
            champion_saw_test=False,
            validation={"ease": {METRIC: 0.3}},
            test=test,
            slices=rows,
            overfit_gap={"ease": 0.0},
        ).model_dump()
        self.edit(tree)
        return Evaluation.model_validate(tree | self.changes)

    def write(self) -> Path:
        whole = PRIMARY_SLICE[self.changes.get("question", "global_time")]
        masks = {whole: np.ones(len(self.values["ease"]), bool), **self.slices}
        tables = [
            pa.table(
                {
                    "user_row": np.flatnonzero(mask).astype(np.int32),
                    "model": [model] * int(mask.sum()),
                    "slice": [name] * int(mask.sum()),
                    METRIC: values[mask].astype(np.float32),
                }
            )
            for name, mask in masks.items()
            for model, values in self.values.items()
        ]
        path = self.folder / "per_user.parquet"
        pq.write_table(pa.concat_tables(tables), path, write_page_checksum=True)
        return path

    def decide(self, serving: ChampionRef | str | None = "same", challenger: ChampionRef = CHALLENGER) -> Decision:
        champion = self.champion if serving == "same" else serving
        assert not isinstance(champion, str)
        measured = Measurements(self.evaluation(), "e" * 64, self.write(), self.drift, self.latency_ms, self.data)
        contenders = Contenders(challenger, champion, self.rolled_back, same_recipe=self.same_recipe)
        return decide(measured, contenders, self.params, self.bootstrap, datetime(2026, 3, 1, 4, tzinfo=UTC))

    def set(self, *overrides: str) -> None:
        self.params = load(ROOT / "params.yaml", overrides=["gate.resamples=300", *overrides])


def failed(decision: Decision) -> list[str]:
    return [check.name for check in decision.checks if not check.passed]


def worse(case: Case) -> None:
    case.values["ease"] = case.values["champion"] - 0.03 + case.noise


def equal(case: Case) -> None:
    case.values["ease"] = case.values["champion"].copy()
    case.values["neighbours"] = case.values["popularity"].copy()


def unsure(case: Case) -> None:
    case.values["ease"] = case.values["champion"] + 0.005 + case.noise * 4
    case.values["neighbours"] = case.values["popularity"].copy()


def few_users(case: Case) -> None:
    case.values = {m: v[:60] for m, v in case.values.items()}
    case.slices = {"user:cold": np.arange(60) < 30, "user:warm": np.arange(60) >= 30}


def few_and_worse(case: Case) -> None:
    few_users(case)
    case.values["ease"] = case.values["champion"] - 0.1


def gain_below_the_minimum(case: Case) -> None:
    case.set("gate.min_gain=0.2")


def gain_around_the_minimum(case: Case) -> None:
    case.set("gate.min_gain=0.05")


def tied_with_popularity(case: Case) -> None:
    case.values["popularity"] = case.values["ease"] + case.rng.normal(0, 0.05, N)


def beaten_by_neighbours(case: Case) -> None:
    case.values["neighbours"] = case.values["ease"] + 0.1


def tied_with_a_model_that_is_not_simpler(case: Case) -> None:
    case.values["als"] = case.values["ease"] + case.rng.normal(0, 0.05, N)


def beaten_by_a_model_that_is_not_simpler(case: Case) -> None:
    case.values["als"] = case.values["ease"] + case.rng.normal(0.02, 0.05, N)


def exactly_as_popularity(case: Case) -> None:
    case.values["popularity"] = case.values["ease"].copy()


def behind_many(case: Case) -> None:
    """Behind als by 2.2 standard errors, one of seven baselines: alone that were significant, of seven it is not."""
    noise = case.rng.normal(0, 0.05, N)
    case.values["als"] = case.values["ease"] + 2.2 * 0.05 / np.sqrt(N) + (noise - noise.mean()) * 0.05 / noise.std()
    for i in range(4):
        case.values[f"other{i}"] = case.values["ease"] - 0.01
        case.coverage[f"other{i}"] = 0.3


def behind_many_and_simpler(case: Case) -> None:
    behind_many(case)
    case.simpler = ["popularity", "als"]


def evaluated_by_an_earlier_version(case: Case) -> None:
    case.simpler = None
    tied_with_popularity(case)


def one_slice_worse(case: Case) -> None:
    cold = case.slices["user:cold"]
    case.values["ease"] = np.where(cold, case.values["champion"] * 0.6, case.values["ease"] + 0.1)


def slice_worse_within_its_share(case: Case) -> None:
    cold = case.slices["user:cold"]
    case.values["ease"] = np.where(cold, case.values["champion"] * 0.97, case.values["ease"] + 0.1)


def slice_worse_within_its_noise(case: Case) -> None:
    """20 users lose 15 % on average, but so unevenly that the interval contains zero."""
    case.slices["language:zh"] = np.arange(N) < 20
    change = np.where(np.arange(20) % 2, 0.5, -0.6)
    case.values["ease"][:20] = (
        case.values["champion"][:20] + change - change.mean() - 0.15 * case.values["champion"][:20].mean()
    )


def no_slice_to_judge(case: Case) -> None:
    case.slices = {"language:zh": np.arange(N) < 5}


def one_list_for_all(case: Case) -> None:
    case.coverage["ease"] = 0.002


def half_the_champions_coverage(case: Case) -> None:
    case.coverage |= {"ease": 0.1, "champion": 0.3}


def slow(case: Case) -> None:
    case.latency_ms = 50.1


def drift_not_computable(case: Case) -> None:
    case.drift = BAD_DRIFT


def data_at_fault(case: Case) -> None:
    case.data = [BAD_DATA]


def data_not_checked(case: Case) -> None:
    case.data = []


def champion_saw_test(case: Case) -> None:
    case.changes = {"champion_saw_test": True}


def training_unfinished(case: Case) -> None:
    case.changes = {"unfinished": ["trainer.max_minutes 9 stopped the sequence model after step 8 of at most 20"]}


def nothing_serves(case: Case) -> None:
    case.without_champion()


def first(case: Case) -> None:
    case.without_champion()
    case.bootstrap = True


def bootstrap_with_a_champion(case: Case) -> None:
    worse(case)
    case.bootstrap = True
