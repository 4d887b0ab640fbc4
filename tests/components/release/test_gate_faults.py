"""What is missing, not finite or of another run is a fault of the gate's input, never a verdict."""

import math
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from components.contracts import ChampionRef
from components.errors import CarouselError, ReleaseError, StaleDecisionError
from tests.components.release.gate_cases import CHALLENGER, CHAMPION, METRIC, Case, first

NOT_NUMBERS = [math.nan, math.inf, -math.inf]


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


def test_a_slice_without_users_is_a_fault(case: Case) -> None:
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
def test_a_latency_that_is_not_a_positive_number_is_a_fault(case: Case, latency: float) -> None:
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
