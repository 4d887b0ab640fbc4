"""Stage `drift`: its files, its reference, determinism, and the shift of the simulated shop."""

import json
import shutil
from datetime import timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from safetensors.numpy import save_file

from components import params as params_file
from components.contracts import ChampionRef, DriftVerdict
from components.data.shop import write_shop
from components.data.snapshot import take_snapshot
from components.errors import ContractError
from components.monitoring import windows
from components.monitoring.data_checks import DataChecks
from components.params import Params, SelectionParams
from components.release.bundle import build_bundle
from components.stages import drift as stage
from tests.components.monitoring.models import fit, vectors_of
from tests.components.monitoring.support import DRIFT, SHIFT, catalogue, visits, write_snapshot
from tests.components.release.support import INFO, in_folder, write_items

ROOT = Path(__file__).parents[3]
FILES = ("drift.json", "drift.html", "data_checks.json", "reference.parquet", "metrics.json")


def at(params: Params, days: float) -> Params:
    """Return the parameters of a run so many days after SHIFT, with the small shop's windows."""
    data = params.data.model_copy(update={"as_of": SHIFT + timedelta(days=days)})
    split = params.split.model_copy(update={"validation_days": 7.0, "test_days": 7.0})
    return params.model_copy(update={"data": data, "split": split, "drift": DRIFT})


@pytest.fixture(scope="session")
def params() -> Params:
    return params_file.load(ROOT / "params.yaml")


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """Return a checkout whose shop changes its preferences on SHIFT, without a champion."""
    write_snapshot(tmp_path / "data/snapshot", visits(1, shift_share=0.4), catalogue())
    (tmp_path / "champion").mkdir()
    (tmp_path / "champion/champion.json").write_text("null\n")
    return tmp_path


def run(root: Path, params: Params) -> tuple[DriftVerdict, dict[str, bytes]]:
    """Run the stage into an empty folder; return the verdict and the bytes of its files."""
    shutil.rmtree(root / "reports", ignore_errors=True)
    (root / "reports/drift").mkdir(parents=True)
    verdict = stage.judge_drift(root, params)
    return verdict, {name: (root / "reports/drift" / name).read_bytes() for name in FILES}


def set_champion(root: Path, reference: bytes | None) -> None:
    """Make version 3 the champion, with this reference in its bundle."""
    ref = ChampionRef(version=3, digest="d" * 64, model="als")
    (root / "champion/champion.json").write_text(ref.model_dump_json())
    (root / "champion/bundle").mkdir()
    if reference is not None:
        (root / "champion/bundle/drift_reference.parquet").write_bytes(reference)


def test_first_run_compares_with_its_own_training_window(checkout: Path, params: Params) -> None:
    verdict, files = run(checkout, at(params, 14))
    assert DriftVerdict.model_validate_json(files["drift.json"]) == verdict
    assert verdict.reference == "own training window"
    assert (verdict.drifted, verdict.computable) == (True, True)
    own = windows.load(checkout / "reports/drift/reference.parquet")
    assert own.window.end == SHIFT.isoformat()  # 14 days before as_of: validation and test are not in it
    metrics = json.loads(files["metrics.json"])
    assert metrics["drift/taste"] == verdict.columns["taste"]
    assert metrics["drifted"] == 1.0
    assert 0.5 < metrics["volume_ratio"] < 2
    summary = checkout / "reports/summary"
    headline = json.loads((summary / "drift.json").read_text())
    assert headline == {name: metrics[name] for name in ("drifted_share", "volume_ratio", "age_hours")}
    rows = [line.split(",") for line in (summary / "drift.csv").read_text().splitlines()]
    assert rows[0] == ["column", "distance", "limit"]
    assert {row[0] for row in rows[1:]} == set(verdict.columns)


def test_same_inputs_give_the_same_bytes(checkout: Path, params: Params) -> None:
    assert run(checkout, at(params, 14))[1] == run(checkout, at(params, 14))[1]


def test_the_champions_reference_is_used(checkout: Path, params: Params) -> None:
    before, files = run(checkout, at(params, 0))
    assert not before.drifted
    own = run(checkout, at(params, 14))[1]["reference.parquet"]
    assert own != files["reference.parquet"]
    set_champion(checkout, files["reference.parquet"])
    verdict, after = run(checkout, at(params, 14))
    assert verdict.reference == "champion 3"
    assert verdict.drifted
    assert after["reference.parquet"] == own  # the sample in the bundle does not depend on the champion


def test_a_refresh_keeps_the_reference_that_its_recipe_was_selected_on(checkout: Path, params: Params) -> None:
    reference = run(checkout, at(params, 0))[1]["reference.parquet"]
    set_champion(checkout, reference)
    recipe = SelectionParams(
        recommender="als", best_simple="popularity", language="0" * 64, sequence_epochs=None, ranker_epochs=None,
        blend=None, selected_until=SHIFT,
    )  # fmt: skip
    refresh = at(params, 14).model_copy(update={"selection": recipe})
    verdict, files = run(checkout, refresh)
    assert verdict.reference == "champion 3"
    assert files["reference.parquet"] == reference
    (checkout / "champion/bundle/drift_reference.parquet").unlink()
    own = run(checkout, at(params, 14))[1]["reference.parquet"]
    assert run(checkout, refresh)[1]["reference.parquet"] == own  # of a champion without one


def test_the_data_are_compared_with_the_champions_products(checkout: Path, params: Params) -> None:
    run(checkout, at(params, 14))
    checks = DataChecks.model_validate_json((checkout / "reports/drift/data_checks.json").read_bytes())
    assert not checks.failed
    assert "products: not checked, nothing serves yet" in checks.notes
    set_champion(checkout, None)
    known = pa.table({"item_id": [f"sku-{i}" for i in range(90)]})  # the snapshot has 60 of them
    pq.write_table(known, checkout / "champion/bundle/items.parquet", write_page_checksum=True)
    _, files = run(checkout, at(params, 14))
    (failed,) = DataChecks.model_validate_json(files["data_checks.json"]).failed
    assert (failed.name, failed.value) == ("data: products", pytest.approx(1 / 3))
    assert json.loads(files["metrics.json"])["data/products"] == pytest.approx(1 / 3)


@pytest.mark.parametrize(("share", "is_over"), [(0.0, False), (0.8, True)])
def test_the_lists_of_the_champion_are_compared(tmp_path: Path, params: Params, share: float, is_over: bool) -> None:
    snapshot = write_snapshot(tmp_path / "data/snapshot", visits(1, shift_share=share), catalogue())
    (tmp_path / "champion").mkdir()
    (tmp_path / "champion/champion.json").write_text("null\n")
    reference = run(tmp_path, at(params, 0))[1]["reference.parquet"]
    (tmp_path / "made/features").mkdir(parents=True)
    for name in ("neighbours", "popularity"):
        model, items = fit(name, snapshot, params)
        model.save(tmp_path / "made" / ("ease" if name == "neighbours" else name))
    save_file({"embedding": vectors_of(items).astype(np.float16)}, tmp_path / "made/features/items.safetensors")
    write_items(tmp_path / "made/split", items)
    (tmp_path / "made/reference.parquet").write_bytes(reference)
    info = INFO.model_copy(update={"model": "neighbours", "n_items": len(items)})
    digest = build_bundle(tmp_path / "champion/bundle", in_folder(tmp_path / "made"), info)
    ref = ChampionRef(version=3, digest=digest, model="neighbours")
    (tmp_path / "champion/champion.json").write_text(ref.model_dump_json())
    verdict, files = run(tmp_path, at(params, 14))
    distance, limit = verdict.columns["predicted_items"], verdict.thresholds["predicted_items"]
    assert (distance > limit) is is_over
    assert any(reason.startswith("predictions: ") for reason in verdict.reasons) is is_over
    assert verdict.drifted is is_over
    assert b"predicted_items" in files["drift.html"]
    assert json.loads(files["metrics.json"])["drift/predicted_items"] == distance


def test_champion_without_a_reference_is_not_computable(checkout: Path, params: Params) -> None:
    set_champion(checkout, None)
    verdict, files = run(checkout, at(params, 14))
    assert (verdict.drifted, verdict.computable) == (False, False)
    assert b"Not computable" in files["drift.html"]
    assert "volume_ratio" not in json.loads(files["metrics.json"])


def test_no_events_at_all_are_not_computable(checkout: Path, params: Params) -> None:
    verdict, files = run(checkout, at(params, 400))
    assert (verdict.drifted, verdict.computable, verdict.n_current) == (False, False, 0)
    assert "age_hours" not in json.loads(files["metrics.json"])


def test_damaged_reference_stops_the_stage(checkout: Path, params: Params) -> None:
    set_champion(checkout, b"PAR1 is not enough")
    with pytest.raises(ContractError, match=r"drift_reference\.parquet"):
        run(checkout, at(params, 14))


def test_missing_champion_file_stops_the_stage(checkout: Path, params: Params) -> None:
    (checkout / "champion/champion.json").unlink()
    with pytest.raises(ContractError, match="run the stage `resolve` first"):
        run(checkout, at(params, 14))


@pytest.mark.parametrize(
    ("protocol", "window_days", "days_before"),
    [("global_time", 28, 28), ("global_time", 7, 14), ("global_time", 40, 40), ("leave_one_out", 28, 28)],
)
def test_training_ends_before_the_held_out_windows_and_the_current_window(
    params: Params, protocol: str, window_days: float, days_before: float
) -> None:
    small = at(params, 0)
    small = small.model_copy(
        update={
            "drift": DRIFT.model_copy(update={"window_days": window_days}),
            "split": small.split.model_copy(update={"protocol": protocol}),
        }
    )
    assert stage.training_end(small) == SHIFT - timedelta(days=days_before)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:fetch_arrow_table:DeprecationWarning")  # ibis, while the snapshot is taken
def test_drift_of_the_simulated_shop_is_found_after_its_shift_day_only(tmp_path: Path, params: Params) -> None:
    """With the defaults: no drift as of day 90, drift as of the end."""
    write_shop(params.shop, params.seed, tmp_path / "data/raw")
    take_snapshot(params.data, tmp_path, tmp_path / "data/snapshot", tmp_path / "data/quarantine")
    (tmp_path / "champion").mkdir()
    (tmp_path / "champion/champion.json").write_text("null\n")
    day_90 = params.data.as_of - timedelta(days=30)
    early = params.model_copy(update={"data": params.data.model_copy(update={"as_of": day_90})})
    before, files = run(tmp_path, early)
    assert (before.drifted, before.computable) == (False, True), before.reasons
    set_champion(tmp_path, files["reference.parquet"])
    after, _ = run(tmp_path, params)
    assert (after.drifted, after.computable) == (True, True), after.reasons
    over = {name for name, value in after.columns.items() if value > after.thresholds[name]}
    assert "category" in over
