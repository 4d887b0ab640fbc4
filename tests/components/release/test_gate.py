"""The table of cases: what is measured on the left, what must come out on the right."""

import math
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from components.contracts import ChampionRef, Decision, DriftVerdict, Evaluation, SliceRow
from components.errors import CarouselError, ReleaseError, StaleDecisionError
from components.params import Params, load
from components.release.gate import Contenders, Measurements, decide, required_checks

N = 400
CHAMPION = ChampionRef(version=3, digest="c" * 64, model="als")
CHALLENGER = ChampionRef(version=4, digest="d" * 64, model="ease")
METRIC = "ndcg_at_10"
GOOD_DRIFT = DriftVerdict(
    drifted=True, computable=True, reasons=[], columns={}, thresholds={}, n_reference=9, n_current=9, reference="x"
)
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
        self.champion: ChampionRef | None = CHAMPION
        self.coverage = {"ease": 0.3, "champion": 0.3, "popularity": 0.01, "neighbours": 0.2}
        self.latency_ms = 5.0
        self.rolled_back: datetime | None = None
        self.drift = GOOD_DRIFT
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
            baselines=["popularity", "neighbours"],
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
        masks = {"all": np.ones(len(self.values["ease"]), bool), **self.slices}
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
        measured = Measurements(self.evaluation(), "e" * 64, self.write(), self.drift, self.latency_ms)
        contenders = Contenders(challenger, champion, self.rolled_back)
        return decide(measured, contenders, self.params, self.bootstrap, datetime(2026, 3, 1, 4, tzinfo=UTC))

    def set(self, *overrides: str) -> None:
        self.params = load(Path(__file__).parents[3] / "params.yaml", overrides=["gate.resamples=300", *overrides])


@pytest.fixture
def case(tmp_path: Path) -> Case:
    return Case(tmp_path)


def failed(decision: Decision) -> list[str]:
    return [check.name for check in decision.checks if not check.passed]


def test_a_shown_gain_with_all_guardrails_is_promoted(case: Case) -> None:
    decision = case.decide()
    assert decision.verdict == "promote"
    assert failed(decision) == []
    assert decision.gain is not None
    assert decision.gain.gain == pytest.approx((case.values["ease"] - case.values["champion"]).mean(), abs=1e-6)
    assert 0 < decision.gain.low < decision.gain.gain < decision.gain.high
    assert decision.users_needed is None
    assert (decision.challenger_version, decision.challenger_digest) == (4, "d" * 64)
    assert decision.champion == CHAMPION
    assert decision.decided_at == "2026-03-01T04:00:00+00:00"
    assert {"gain over champion", "gain over popularity", "gain over neighbours", "slice user:cold", "coverage",
            "coverage against the champion", "latency", "users", "drift is computable",
            "champion has not seen the test window"} <= {c.name for c in decision.checks}  # fmt: skip
    assert "slice language:zh" not in {c.name for c in decision.checks}  # 5 users: shown, never judged


def test_what_was_rolled_back_is_kept_off(case: Case) -> None:
    case.rolled_back = datetime(2026, 2, 28, 9, tzinfo=UTC)
    decision = case.decide()
    assert decision.verdict == "keep"
    assert failed(decision) == ["never rolled back"]
    assert "carousel rollback --to 4" in decision.reasons[0]


def test_the_same_input_gives_the_same_decision(case: Case) -> None:
    assert case.decide() == case.decide()


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


def one_slice_worse(case: Case) -> None:
    cold = case.slices["user:cold"]
    case.values["ease"] = np.where(cold, case.values["champion"] * 0.6, case.values["ease"] + 0.1)


def slice_worse_within_its_share(case: Case) -> None:
    cold = case.slices["user:cold"]
    case.values["ease"] = np.where(cold, case.values["champion"] * 0.97, case.values["ease"] + 0.1)


def slice_worse_within_its_noise(case: Case) -> None:
    """20 users lose 15 % on average, but so unevenly that it says nothing."""
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


def champion_saw_test(case: Case) -> None:
    case.changes = {"champion_saw_test": True}


def nothing_serves(case: Case) -> None:
    case.without_champion()


def first(case: Case) -> None:
    case.without_champion()
    case.bootstrap = True


def first_but_beaten(case: Case) -> None:
    first(case)
    beaten_by_neighbours(case)


def first_of_few(case: Case) -> None:
    few_users(case)
    first(case)


def first_but_slow(case: Case) -> None:
    first(case)
    slow(case)


def first_but_one_list(case: Case) -> None:
    first(case)
    one_list_for_all(case)


def first_without_drift(case: Case) -> None:
    first(case)
    drift_not_computable(case)


def bootstrap_with_a_champion(case: Case) -> None:
    worse(case)
    case.bootstrap = True


CASES: list[tuple[Callable[[Case], None], str, str]] = [
    (worse, "keep", "gain over champion"),
    (equal, "keep", "gain over champion"),
    (unsure, "not_enough_evidence", "gain over champion"),
    (few_users, "not_enough_evidence", "users"),
    (few_and_worse, "not_enough_evidence", "users"),
    (gain_below_the_minimum, "keep", "gain over champion"),
    (gain_around_the_minimum, "not_enough_evidence", "gain over champion"),
    (tied_with_popularity, "keep", "gain over popularity"),
    (beaten_by_neighbours, "keep", "gain over neighbours"),
    (one_slice_worse, "keep", "slice user:cold"),
    (slice_worse_within_its_share, "promote", ""),
    (slice_worse_within_its_noise, "promote", ""),
    (no_slice_to_judge, "keep", "slices"),
    (one_list_for_all, "keep", "coverage"),
    (half_the_champions_coverage, "keep", "coverage against the champion"),
    (slow, "keep", "latency"),
    (drift_not_computable, "keep", "drift is computable"),
    (champion_saw_test, "not_enough_evidence", "champion has not seen the test window"),
    (nothing_serves, "keep", ""),
    (first, "promote", ""),
    (first_but_beaten, "promote", "gain over neighbours"),
    (first_of_few, "promote", "users"),
    (first_but_slow, "keep", "latency"),
    (first_but_one_list, "keep", "coverage"),
    (first_without_drift, "keep", "drift is computable"),
    (bootstrap_with_a_champion, "keep", "gain over champion"),
]


@pytest.mark.parametrize(("change", "verdict", "check"), CASES, ids=[c[0].__name__ for c in CASES])
def test_the_table(case: Case, change: Callable[[Case], None], verdict: str, check: str) -> None:
    change(case)
    decision = case.decide()
    assert decision.verdict == verdict, decision.reasons
    assert decision.reasons
    if check:
        assert check in failed(decision)
        assert any(check in reason for reason in decision.reasons)
    else:
        assert failed(decision) == []
    assert all(c.passed for c in required_checks(decision)) or verdict != "promote"


def test_not_enough_evidence_says_how_many_users_are_lacking(case: Case) -> None:
    unsure(case)
    more = case.decide().users_needed
    assert more is not None
    assert 12_000 < more < 12_300  # sd 0.2, gain 0.005: (2.8016 * 40)^2 = 12,558 in all, by hand
    few_users(case)
    assert (case.decide().users_needed or 0) >= 40


def test_a_settled_question_needs_no_more_users(case: Case) -> None:
    worse(case)
    assert case.decide().users_needed is None


def test_the_first_champion_needs_to_be_asked_for(case: Case) -> None:
    nothing_serves(case)
    decision = case.decide()
    assert "needs --bootstrap" in decision.reasons[0]
    assert decision.bootstrap is False
    case.bootstrap = True
    assert case.decide().bootstrap is True


def test_a_first_champion_that_beats_nobody_says_so(case: Case) -> None:
    first_but_beaten(case)
    decision = case.decide()
    assert any(r.startswith("not shown: gain over neighbours") for r in decision.reasons)
    assert decision.gain is not None
    assert decision.gain.high < 0  # over the best baseline


def test_bootstrap_does_not_count_where_something_serves(case: Case) -> None:
    bootstrap_with_a_champion(case)
    assert case.decide().bootstrap is False


def test_the_champions_own_bundle_is_kept(case: Case) -> None:
    decision = case.decide(challenger=CHALLENGER.model_copy(update={"digest": CHAMPION.digest}))
    assert decision.verdict == "keep"
    assert any("this very bundle" in r for r in decision.reasons)


@pytest.mark.parametrize(("mode", "verdict"), [("enabled", "promote"), ("dry_run", "promote"), ("disabled", "keep")])
def test_modes(case: Case, mode: str, verdict: str) -> None:
    case.set(f"gate.mode={mode}")
    decision = case.decide()
    assert (decision.mode, decision.verdict) == (mode, verdict)


@pytest.mark.parametrize(
    "serving", [None, CHAMPION.model_copy(update={"version": 5}), CHAMPION.model_copy(update={"digest": "f" * 64})]
)
def test_another_champion_than_the_compared_one_is_a_fault(case: Case, serving: ChampionRef | None) -> None:
    with pytest.raises(StaleDecisionError, match="serves now"):
        case.decide(serving)


def test_a_champion_that_was_not_compared_is_a_fault(case: Case) -> None:
    first(case)
    with pytest.raises(StaleDecisionError, match="no champion"):
        case.decide(CHAMPION)


def test_a_bundle_of_another_model_is_a_fault(case: Case) -> None:
    with pytest.raises(StaleDecisionError, match="challenger is ease"):
        case.decide(challenger=CHALLENGER.model_copy(update={"model": "als"}))


NOT_NUMBERS = [math.nan, math.inf, -math.inf]


@pytest.mark.parametrize("number", NOT_NUMBERS)
@pytest.mark.parametrize("model", ["ease", "champion", "popularity"])
@pytest.mark.parametrize("metric", [METRIC, "coverage_at_20"])
def test_a_metric_that_is_not_finite_is_a_fault(case: Case, model: str, metric: str, number: float) -> None:
    case.edit = lambda tree: tree["test"][model].update({metric: number})
    with pytest.raises(ReleaseError, match=f"{model}/{metric}"):
        case.decide()


@pytest.mark.parametrize("model", ["ease", "champion", "popularity"])
@pytest.mark.parametrize("metric", [METRIC, "coverage_at_20"])
def test_a_missing_metric_is_a_fault(case: Case, model: str, metric: str) -> None:
    case.edit = lambda tree: tree["test"][model].pop(metric)
    with pytest.raises(ReleaseError, match=r"missing|coverage_at_20"):
        case.decide()


def test_a_missing_model_is_a_fault(case: Case) -> None:
    case.edit = lambda tree: tree["test"].pop("neighbours")
    with pytest.raises(ReleaseError, match="test/neighbours"):
        case.decide()


def test_a_missing_validation_metric_is_a_fault(case: Case) -> None:
    case.edit = lambda tree: tree["validation"].clear()
    with pytest.raises(ReleaseError, match=f"validation/ease/{METRIC}"):
        case.decide()


@pytest.mark.parametrize("model", ["ease", "champion", "popularity"])
def test_a_user_without_a_value_is_a_fault(case: Case, model: str) -> None:
    case.values[model][17] = math.nan
    case.edit = lambda tree: (
        tree["test"][model].update({METRIC: 0.3}) or [r["metrics"].update({METRIC: 0.3}) for r in tree["slices"]]
    )  # type: ignore[func-returns-value]
    with pytest.raises(ReleaseError):
        case.decide()


def test_a_slice_that_lost_its_users_is_a_fault(case: Case) -> None:
    case.edit = lambda tree: tree["slices"].append(
        {"slice": "item:cold", "model": "ease", "n_users": 0, "metrics": {METRIC: 0.1}}
    )
    with pytest.raises(ReleaseError, match="item:cold"):
        case.decide()


def test_a_slice_with_a_nan_is_a_fault(case: Case) -> None:
    case.edit = lambda tree: tree["slices"][0]["metrics"].update({METRIC: math.nan})
    with pytest.raises(ReleaseError, match="slice user:cold"):
        case.decide()


def test_values_of_another_run_are_a_fault(case: Case) -> None:
    case.edit = lambda tree: tree["test"]["ease"].update({METRIC: tree["test"]["ease"][METRIC] + 0.01})
    with pytest.raises(ReleaseError, match="different runs"):
        case.decide()


def test_a_damaged_per_user_file_is_a_fault(case: Case, tmp_path: Path) -> None:
    path = case.write()
    content = bytearray(path.read_bytes())
    content[200] ^= 1
    path.write_bytes(bytes(content))
    case.write = lambda: path  # type: ignore[method-assign]
    with pytest.raises(CarouselError):
        case.decide()


@pytest.mark.parametrize("latency", [math.nan, math.inf, 0.0, -1.0])
def test_a_latency_that_is_no_time_is_a_fault(case: Case, latency: float) -> None:
    case.latency_ms = latency
    with pytest.raises(ReleaseError, match="latency"):
        case.decide()


def test_no_users_is_a_fault(case: Case) -> None:
    case.write()
    empty = pq.read_table(case.folder / "per_user.parquet").slice(0, 0)
    pq.write_table(empty, case.folder / "per_user.parquet", write_page_checksum=True)
    case.write = lambda: case.folder / "per_user.parquet"  # type: ignore[method-assign]
    with pytest.raises(ReleaseError, match="0 users for ease"):
        case.decide()


@pytest.mark.slow
def test_chance_alone_is_seldom_promoted(case: Case) -> None:
    """Labels shuffled, 100 times: challenger and champion differ by noise only."""
    case.values["popularity"] = case.values["neighbours"] = np.full(N, -1.0)
    promoted = 0
    for seed in range(100):
        both = np.random.default_rng(seed).permutation(
            np.concatenate([case.values["champion"], case.values["champion"]])
        )
        case.values["ease"], case.values["champion"] = both[:N], both[N:]
        promoted += case.decide().verdict == "promote"
    assert promoted <= 6  # alpha / 2 of 100, and its own chance: P(more) < 2 %
