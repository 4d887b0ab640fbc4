"""Stage `evaluate`: its files, the champion, determinism, and errors for missing or leaking input."""

import json
import shutil
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import yaml

from components.contracts import ChampionRef, Evaluation
from components.data.tables import read_catalogue, read_interactions, read_users
from components.errors import ContractError
from components.io import write_record
from components.params import Params
from components.recommenders import factory as library
from components.release import bundle
from components.stages import evaluate as stage
from components.stages.incumbent_ref import IncumbentRef
from components.unfinished import Unfinished, mark_unfinished
from tests.components.evaluation.support import N_ITEMS, Fake, edit, one_list, oracle, small_params, write_split

MODELS = {"ease": oracle(), "als": oracle(0.5), "popularity": one_list}
REF = ChampionRef(version=3, digest="d" * 64, model="als")


@pytest.fixture
def params() -> Params:
    return small_params()


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    write_split(tmp_path / "data/split", item_5="<b>five</b>")
    (tmp_path / "champion").mkdir()
    (tmp_path / "champion/champion.json").write_text("null\n")
    (tmp_path / "reports/evaluate").mkdir(parents=True)
    monkeypatch.setattr(library, "load_model", lambda folder: Fake(folder.name, MODELS[folder.name]))
    return tmp_path


def set_champion(checkout: Path, monkeypatch: pytest.MonkeyPatch, **info: int) -> list[tuple[Path, str]]:
    """Make a champion whose bundle info has these values; return the folders that are opened."""
    opened: list[tuple[Path, str]] = []
    ends = json.loads((checkout / "data/split/split.json").read_text())
    about = SimpleNamespace(train_end=ends["train_end"], validation_end=ends["validation_end"])
    about.__dict__.update(info)
    ids = ["", *(f"sku-{i}" for i in range(1, N_ITEMS + 1))]

    def open_bundle(folder: Path, digest: str) -> SimpleNamespace:
        opened.append((folder, digest))
        return SimpleNamespace(info=about, item_ids=ids)

    def adapt_to_catalogue(opened: SimpleNamespace, item_ids: list[str], as_judged: bool) -> Fake:
        assert item_ids == opened.item_ids
        assert as_judged
        return Fake("champion", oracle(0.7))

    monkeypatch.setattr(bundle, "open_bundle", open_bundle)
    monkeypatch.setattr(bundle, "adapt_to_catalogue", adapt_to_catalogue)
    (checkout / "champion/champion.json").write_text(REF.model_dump_json())
    return opened


def files(folder: Path) -> dict[str, bytes]:
    return {str(f.relative_to(folder)): f.read_bytes() for f in sorted(folder.rglob("*")) if f.is_file()}


def test_first_run_without_a_champion(checkout: Path, params: Params) -> None:
    evaluation = stage.evaluate(checkout, params)
    written = files(checkout / "reports/evaluate")
    assert set(written) == {
        "evaluation.json", "metrics.json", "per_user.parquet", "report.html",
        "plots/models.svg", "plots/differences.svg", "plots/gains.svg", "plots/slices.svg",
    }  # fmt: skip
    assert Evaluation.model_validate_json(written["evaluation.json"]) == evaluation
    assert evaluation.champion is None
    assert evaluation.challenger == "ease"
    metrics = json.loads(written["metrics.json"])
    assert metrics["test/ease/ndcg_at_5"] == evaluation.test["ease"]["ndcg_at_5"]
    assert metrics["gain_low/popularity"] > 0
    assert metrics["test/popularity/coverage_at_5"] == evaluation.test["popularity"]["coverage_at_5"]
    assert set(metrics) >= {"validation/als/mrr_at_2", "overfit_gap/als", "gain/als", "gain_high/als"}
    summary = checkout / "reports/summary"
    contest = {model: metrics["ndcg_at_5"] for model, metrics in evaluation.test.items()}
    assert json.loads((summary / "contest.json").read_text()) == contest
    rows = (summary / "contest.csv").read_text().splitlines()
    assert rows[:2] == ["model,value", f"als,{contest['als']:.6g}"]
    slices = [line.split(",") for line in (summary / "slices.csv").read_text().splitlines()]
    assert slices[0] == ["slice", "users", "value"]
    assert {row[0] for row in slices[1:]} == {row.slice for row in evaluation.slices if row.model == "ease"}
    assert b"<b>five</b>" not in written["report.html"]
    assert "@" not in "".join(metrics)


def test_a_training_that_a_limit_in_minutes_stopped_is_named(checkout: Path, params: Params) -> None:
    mark = Unfinished(model="the sequence model", limit="trainer.max_minutes", minutes=9, step=8, steps=20)
    (checkout / "models/sequence").mkdir(parents=True, exist_ok=True)
    mark_unfinished(checkout / "models/sequence", mark)
    assert stage.evaluate(checkout, params).unfinished == (str(mark),)
    page = (checkout / "reports/evaluate/report.html").read_text()
    assert "trainer.max_minutes 9 stopped the sequence model after step 8 of at most 20" in page


def test_two_runs_give_the_same_bytes(checkout: Path, params: Params, monkeypatch: pytest.MonkeyPatch) -> None:
    set_champion(checkout, monkeypatch)
    stage.evaluate(checkout, params)
    first = files(checkout / "reports/evaluate")
    shutil.rmtree(checkout / "reports/evaluate")
    (checkout / "reports/evaluate").mkdir()
    stage.evaluate(checkout, params)
    assert files(checkout / "reports/evaluate") == first


def test_champion_is_opened_by_its_digest_and_measured(
    checkout: Path, params: Params, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = set_champion(checkout, monkeypatch)
    evaluation = stage.evaluate(checkout, params)
    assert opened == [(checkout / "champion/bundle", REF.digest)]
    assert evaluation.champion == REF
    assert not evaluation.champion_saw_test
    contest = json.loads((checkout / "reports/summary/contest.json").read_text())
    assert contest["incumbent"] == evaluation.test["champion"]["ndcg_at_5"]
    assert (
        evaluation.test["als"]["ndcg_at_5"]
        < evaluation.test["champion"]["ndcg_at_5"]
        < evaluation.test["ease"]["ndcg_at_5"]
    )


@pytest.mark.parametrize("end", ["train_end", "validation_end"])
def test_a_champion_that_was_trained_or_tuned_on_the_test_window_is_flagged(
    checkout: Path, params: Params, monkeypatch: pytest.MonkeyPatch, end: str
) -> None:
    start = json.loads((checkout / "data/split/split.json").read_text())["validation_end"]
    set_champion(checkout, monkeypatch, **{end: start + 1})
    assert stage.evaluate(checkout, params).champion_saw_test


@pytest.mark.parametrize(("after", "saw"), [(0, False), (1, True)])
def test_the_champions_recipe_as_fitted_in_this_run_stands_for_it(
    checkout: Path, params: Params, monkeypatch: pytest.MonkeyPatch, after: int, saw: bool
) -> None:
    """Its bundle, which may be newer than the test window, is not opened; what counts is until when it was selected."""
    start = json.loads((checkout / "data/split/split.json").read_text())["validation_end"]
    opened = set_champion(checkout, monkeypatch, train_end=start + 10**12)
    monkeypatch.setitem(MODELS, "incumbent", oracle(0.8))
    write_record(
        checkout / "models/incumbent/incumbent.json", IncumbentRef(bundle=REF.digest, selected_until=start + after)
    )
    evaluation = stage.evaluate(checkout, params)
    assert opened == []
    assert (evaluation.champion, evaluation.champion_saw_test) == (REF, saw)
    assert (
        evaluation.test["als"]["ndcg_at_5"]
        < evaluation.test["champion"]["ndcg_at_5"]
        < evaluation.test["ease"]["ndcg_at_5"]
    )


def test_an_unfinished_incumbent_is_named(checkout: Path, params: Params) -> None:
    mark = Unfinished(model="the sequence model", limit="trainer.max_minutes", minutes=9, step=8, steps=20)
    mark_unfinished(checkout / "models/incumbent", mark)
    assert stage.evaluate(checkout, params).unfinished == (str(mark),)


def test_a_planted_future_row_fails_the_run_and_leaves_no_evaluation(checkout: Path, params: Params) -> None:
    def plant(columns: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        columns["timestamp"][3] += 10**15
        return columns

    edit(checkout / "data/split", "train", plant)
    with pytest.raises(ContractError, match="leakage"):
        stage.evaluate(checkout, params)
    assert not (checkout / "reports/evaluate/evaluation.json").exists()


def test_a_missing_champion_file_is_an_error_not_a_first_run(checkout: Path, params: Params) -> None:
    (checkout / "champion/champion.json").unlink()
    with pytest.raises(ContractError, match="run the stage `resolve`"):
        stage.evaluate(checkout, params)


def test_models_are_loaded_from_where_the_stages_write_them(checkout: Path, params: Params) -> None:
    section = params.evaluation.model_copy(update={"candidates": ["ease", "sequence"]})
    found = stage.loaders(checkout, params.model_copy(update={"evaluation": section}))
    assert {name: load.args[0] for name, load in found.items()} == {
        "ease": checkout / "models/simple/ease",
        "sequence": checkout / "models/sequence",
        "popularity": checkout / "models/simple/popularity",
    }


def test_main_reads_the_resolved_parameters_and_ends_on_leakage_with_its_message(
    checkout: Path, params: Params, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(checkout)
    (checkout / "run").mkdir()
    (checkout / "run/params.yaml").write_text(yaml.safe_dump(params.model_dump(mode="json")))
    stage.main()
    assert Evaluation.model_validate_json(Path("reports/evaluate/evaluation.json").read_bytes()).n_users == 60

    def plant(columns: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        columns["timestamp"][-1] += 10**15
        return columns

    edit(checkout / "data/split", "train", plant)
    with pytest.raises(SystemExit, match=r"evaluate: leakage: .*train.parquet"):
        stage.main()
    assert not Path("reports/evaluate/evaluation.json").exists()  # the earlier run's file is removed


def test_real_models_from_their_folders(checkout: Path, params: Params, monkeypatch: pytest.MonkeyPatch) -> None:
    """Models are really fitted, saved, loaded and measured: EASE learns which colour a user buys, popularity cannot."""
    monkeypatch.undo()  # the real model library
    from components.recommenders.factory import create

    split = checkout / "data/split"
    train, catalogue, users = read_interactions(split), read_catalogue(split), read_users(split, "validation")
    names = {"candidates": ["ease"], "baselines": ["popularity", "neighbours"]}
    params = params.model_copy(update={"evaluation": params.evaluation.model_copy(update=names)})
    for name in ("ease", "popularity", "neighbours"):
        create(name, params).fit(train, catalogue, users).save(checkout / "models/simple" / name)
    evaluation = stage.evaluate(checkout, params)
    assert set(evaluation.test) == {"ease", "popularity", "neighbours"}
    assert evaluation.test["ease"]["ndcg_at_5"] > 1.5 * evaluation.test["popularity"]["ndcg_at_5"]
    first = files(checkout / "reports/evaluate")
    stage.evaluate(checkout, params)
    assert files(checkout / "reports/evaluate") == first
