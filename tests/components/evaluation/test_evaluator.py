"""The full evaluation on a split with known answers."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from components.contracts import ChampionRef, Evaluation, Ranked, Users
from components.errors import ContractError
from components.evaluation.evaluator import Measured, Roles, ServingChampion, Windows, measure, read_windows, summarise
from components.evaluation.out_of_fold import OutOfFold
from components.evaluation.protocol import rank
from components.evaluation.results import read_values
from components.params import Params, SelectionParams
from components.records import PRIMARY_SLICE
from tests.components.evaluation.support import N_ITEMS, Fake, edit, one_list, oracle, small_params

REF = ChampionRef(version=3, digest="d" * 64, model="als")
ROLES = Roles(
    order=["popularity", "ease", "als"], simple={"popularity", "ease", "als"}, baselines={"popularity", "als"}
)


def run(
    split: Path, params: Params, champion: ServingChampion | None = None, **models: Fake
) -> tuple[Windows, Measured, Evaluation]:
    fakes = {
        "ease": Fake("ease", oracle()),
        "als": Fake("als", oracle(hits=0.5)),
        "popularity": Fake("popularity", one_list),
    } | models
    windows = read_windows(split, params)
    loaders = {name: lambda fake=fake: fake for name, fake in fakes.items()}
    measured = measure(windows, loaders, champion, params, split / "per_user.parquet")
    return windows, measured, summarise(windows, measured, champion, params, ROLES)


def test_the_better_model_is_the_challenger(split: Path, params: Params) -> None:
    _, _, evaluation = run(split, params)
    assert evaluation.challenger == "ease"
    assert evaluation.n_users == 60
    assert evaluation.n_items == N_ITEMS
    assert evaluation.champion is None
    assert not evaluation.champion_saw_test
    assert evaluation.simulated
    assert set(evaluation.test) == set(evaluation.validation) == {"ease", "als", "popularity"}
    assert evaluation.test["ease"]["ndcg_at_5"] > evaluation.test["als"]["ndcg_at_5"]
    gap = evaluation.validation["als"]["ndcg_at_5"] - evaluation.test["als"]["ndcg_at_5"]
    assert evaluation.overfit_gap["als"] == pytest.approx(gap)


def test_the_challenger_is_the_simpler_of_two_candidates_that_tie(split: Path, params: Params) -> None:
    same = {"ease": Fake("ease", oracle()), "als": Fake("als", oracle())}
    evaluation = run(split, params, **same)[2]
    assert evaluation.challenger == "ease"
    assert evaluation.choice is not None
    assert [(row.model, row.behind) for row in evaluation.choice.candidates] == [("ease", 0), ("als", 0)]


def test_the_challenger_is_held_against_the_baselines_but_not_itself(split: Path, params: Params) -> None:
    evaluation = run(split, params)[2]
    assert (evaluation.challenger, evaluation.baselines, evaluation.simpler) == (
        "ease", ["popularity", "als"], ["popularity"],
    )  # fmt: skip
    assert evaluation.best_simple == "als"
    other = run(split, params, als=Fake("als", oracle()), ease=Fake("ease", oracle(hits=0.5)))[2]
    assert (other.challenger, other.baselines, other.simpler) == ("als", ["popularity"], ["popularity"])
    assert other.best_simple == "ease"


def test_a_blend_is_chosen_by_its_lists_out_of_fold(split: Path, params: Params) -> None:
    """ALS stands for a blend: its own lists are right, those out of fold are of popularity for all but 10 users."""
    windows = read_windows(split, params)
    users = windows.validation
    rows = np.arange(10, len(users), dtype=np.int32)
    lists = rank(Fake("popularity", one_list), users, 5, True, N_ITEMS, 7)
    fakes = {
        "popularity": Fake("popularity", one_list),
        "ease": Fake("ease", oracle(0.9)),
        "als": Fake("als", oracle()),
    }
    loaders = {name: lambda fake=fake: fake for name, fake in fakes.items()}
    folds = {"als": OutOfFold(rows, lists[rows])}
    measured = measure(windows, loaders, None, params, split / "per_user.parquet", folds)
    evaluation = summarise(windows, measured, None, params, ROLES)
    assert evaluation.challenger == "ease"
    plain = measure(windows, loaders, None, params, split / "per_user.parquet")
    assert evaluation.in_fold == {"als": plain.validation["als"]["ndcg_at_5"]}
    expected = np.concatenate([plain.values["als"][:10], plain.values["popularity"][10:]]).mean(dtype=float)
    assert evaluation.validation["als"]["ndcg_at_5"] == pytest.approx(expected)
    assert evaluation.validation["als"]["ndcg_at_5"] < 0.5 * evaluation.in_fold["als"]
    assert summarise(windows, plain, None, params, ROLES).challenger == "als"
    assert evaluation.test["als"] == plain.test["als"]


def test_with_a_recipe_nothing_is_chosen_or_measured_on_validation(split: Path, params: Params) -> None:
    recipe = SelectionParams(
        recommender="als", best_simple="popularity", language="e" * 64, sequence_epochs=None, ranker_epochs=None,
        blend=None, selected_until=datetime(2025, 1, 1, tzinfo=UTC),
    )  # fmt: skip
    _, _, evaluation = run(split, params.model_copy(update={"selection": recipe}))
    assert (evaluation.purpose, evaluation.challenger, evaluation.choice) == ("refresh", "als", None)
    assert evaluation.validation == evaluation.overfit_gap == evaluation.in_fold == {}
    assert set(evaluation.test) == {"popularity", "ease", "als"}
    assert run(split, params)[2].purpose == "retrain"


def test_the_champion_is_measured_on_the_test_window_only_and_paired(split: Path, params: Params) -> None:
    champion = ServingChampion(REF, Fake("champion", oracle(hits=0.7)), saw_test=True)
    _, _, evaluation = run(split, params, champion)
    assert evaluation.champion == REF
    assert evaluation.champion_saw_test
    assert "champion" in evaluation.test
    assert "champion" not in evaluation.validation
    assert "champion" not in evaluation.overfit_gap
    values = read_values(split / "per_user.parquet", "ndcg_at_5", "all")
    assert list(values) == ["ease", "als", "popularity", "champion"]
    for name, value in values.items():
        assert value.mean(dtype=float) == pytest.approx(evaluation.test[name]["ndcg_at_5"])


def test_slices_add_up_and_are_the_same_users_for_all_models(split: Path, params: Params) -> None:
    _, _, evaluation = run(split, params)
    rows = {(r.model, r.slice): r for r in evaluation.slices}
    assert {s for _, s in rows} == {
        "user:cold", "user:warm", "item:cold", "item:warm", "language:en", "language:zh", "language:unknown",
        "next_event",
    }  # fmt: skip
    for model in evaluation.test:
        cold, warm = rows[model, "user:cold"], rows[model, "user:warm"]
        assert cold.n_users + warm.n_users == evaluation.n_users
        mean = (
            cold.n_users * cold.metrics["ndcg_at_5"] + warm.n_users * warm.metrics["ndcg_at_5"]
        ) / evaluation.n_users
        assert mean == pytest.approx(evaluation.test[model]["ndcg_at_5"])
    # item 40 is the last in the oracle's item order: it is never listed, and only that slice shows this
    assert rows["ease", "item:cold"].metrics["recall_at_5"] == 0
    assert rows["ease", "item:warm"].metrics["recall_at_5"] > 0


def test_one_list_for_all_users_has_low_coverage(split: Path, params: Params) -> None:
    params = params.model_copy(update={"recommend": params.recommend.model_copy(update={"exclude_seen": False})})
    _, _, evaluation = run(split, params)
    assert evaluation.test["popularity"]["coverage_at_5"] == 5 / N_ITEMS
    assert evaluation.test["ease"]["coverage_at_5"] == 10 / N_ITEMS


def test_lists_are_compared_with_the_champions(split: Path, params: Params) -> None:
    """The oracle of 30 % agrees with the champion of 30 % fully; the one list for all is the most concentrated."""
    champion = ServingChampion(REF, Fake("champion", oracle(hits=0.3)), saw_test=False)
    _, _, evaluation = run(split, params, champion, als=Fake("als", oracle(hits=0.3)))
    test = evaluation.test
    assert test["als"]["overlap_at_5"] == test["champion"]["overlap_at_5"] == 1.0
    assert 0 < test["popularity"]["overlap_at_5"] < 1
    assert test["popularity"]["concentration_at_2"] > test["ease"]["concentration_at_2"]
    assert test["ease"]["score_spread_at_2"] == pytest.approx(0.02, abs=1e-5)  # the next item of the own colour
    assert test["popularity"]["score_spread_at_2"] == pytest.approx(1.0)
    assert "concentration_at_2" not in evaluation.validation["ease"]
    _, _, alone = run(split, params)
    assert "overlap_at_5" not in alone.test["ease"]


@pytest.mark.parametrize("fitted_anew", [False, True])
def test_a_pushed_product_is_held_against_what_serves(split: Path, params: Params, fitted_anew: bool) -> None:
    """Nine users buy product 39 alone. The champion's recipe, fitted on their purchases, lists it as the challenger."""

    def push(columns: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        fakes = {name: values[-9:].copy() for name, values in columns.items()}
        fakes["user_idx"][:], fakes["item_idx"][:] = range(61, 70), 39
        return {name: np.concatenate([values, fakes[name]]) for name, values in columns.items()}

    edit(split, "train", push)
    info = (split / "split.json").read_text()
    (split / "split.json").write_text(info.replace('"n_users":60', '"n_users":69'))
    pushed, serving = Fake("champion", lambda users: one_list(users)[:, ::-1]), Fake("champion", one_list)
    if fitted_anew:
        champion = ServingChampion(REF, pushed, saw_test=False, open_bundle=lambda: serving)
    else:
        champion = ServingChampion(REF, serving, saw_test=False)
    _, _, evaluation = run(split, params, champion, ease=pushed, als=pushed)
    assert evaluation.pushed is not None
    assert evaluation.pushed.item_id == "sku-39"
    assert (evaluation.pushed.before, evaluation.pushed.n_alone) == (0.0, 9)
    assert evaluation.pushed.after > 0.5


def test_files_hold_no_user_id_and_are_reproducible(split: Path, params: Params) -> None:
    first = run(split, params)[2], (split / "per_user.parquet").read_bytes()
    second = run(split, params)[2], (split / "per_user.parquet").read_bytes()
    assert first == second
    table = pq.read_table(split / "per_user.parquet", page_checksum_verification=True)
    assert table.column_names[:3] == ["user_row", "model", "slice"]
    assert "user_id" not in table.column_names
    assert str(table.schema.field("ndcg_at_5").type) == "float"
    assert not np.isnan(table["ndcg_at_5"].to_numpy()).any()


def test_a_diverged_model_stops_the_run(split: Path, params: Params) -> None:
    bad = Fake("als", oracle(), broken=lambda r: replace(r, scores=np.full_like(r.scores, np.nan)))
    with pytest.raises(ContractError, match="model als gave NaN scores"):
        run(split, params, als=bad)


def test_the_last_model_is_measured_like_the_first(split: Path, params: Params) -> None:
    """A measurement must not change the input of the next one."""
    windows, measured, _ = run(split, params, popularity=Fake("popularity", oracle()))
    assert measured.test["popularity"] == measured.test["ease"]
    assert measured.validation["popularity"] == measured.validation["ease"]
    again = read_windows(split, params)
    for one, other in ((windows.test, again.test), (windows.validation, again.validation)):
        for name in ("offsets", "item_idx", "timestamp"):
            np.testing.assert_array_equal(getattr(one.targets, name), getattr(other.targets, name))
            np.testing.assert_array_equal(getattr(one.history, name), getattr(other.history, name))


def test_the_question_that_decides_gives_the_means_and_the_other_one_is_a_slice(split: Path, params: Params) -> None:
    champion = ServingChampion(REF, Fake("champion", oracle(hits=0.7)), saw_test=False)
    frozen, anew = run(split, params, champion)[2], run(split, small_params("gate.primary=next_event"), champion)[2]
    assert (frozen.question, frozen.primary_slice) == ("global_time", "all")
    assert (anew.question, anew.primary_slice) == ("next_event", "next_event")
    for model in frozen.test:
        (slice_of,) = (r for r in frozen.slices if (r.model, r.slice) == (model, "next_event"))
        (whole,) = (r for r in anew.slices if (r.model, r.slice) == (model, "all"))
        assert anew.test[model].items() >= slice_of.metrics.items()
        assert frozen.test[model].items() >= whole.metrics.items()
        joint = [name for name in frozen.test[model] if name not in slice_of.metrics]
        assert "coverage_at_5" in joint
        assert all(frozen.test[model][name] == anew.test[model][name] for name in joint)
        assert slice_of.n_users == anew.n_users
    assert "next_event" not in {row.slice for row in anew.slices}
    assert {r.slice for r in frozen.slices} - {"next_event"} == {r.slice for r in anew.slices} - {"all"}
    values = read_values(split / "per_user.parquet", "ndcg_at_5", anew.primary_slice)
    assert all(value.mean(dtype=float) == anew.test[model]["ndcg_at_5"] for model, value in values.items())


def test_candidates_are_compared_by_the_mean_of_each_users_events(split: Path, params: Params) -> None:
    """The model lists each target first where the history has 6 events: for the first of a user's two events."""

    def first_event(users: Users) -> np.ndarray:
        wanted = {(int(u), n): int(i) for u, n, i in zip(rows.user_idx, lengths, targets, strict=True) if n == 6}
        scores = one_list(users.user_idx)
        for row, key in enumerate(zip(users.user_idx.tolist(), users.history.lengths.tolist(), strict=True)):
            if key in wanted:
                scores[row, wanted[key]] = 100
        return scores

    class Knowing(Fake):
        def recommend(self, users: Users, *args: Any, **more: Any) -> Ranked:
            self.score = lambda _: first_event(users)
            return super().recommend(users, *args, **more)

    asked = small_params("gate.primary=next_event")
    windows = read_windows(split, asked)
    rows = windows.validation
    assert rows is not None
    lengths, targets = rows.history.lengths.tolist(), rows.ground_truth.item_idx.tolist()
    _, measured, evaluation = run(split, asked, als=Knowing("als", one_list), ease=Fake("ease", one_list))
    assert measured.values["als"].shape == (59,)
    assert evaluation.validation["als"]["hit_rate_at_2"] == pytest.approx(0.5, abs=0.1)
    assert evaluation.challenger == "als"


def test_a_refresh_makes_the_rows_where_the_question_asks_for_them(split: Path, params: Params) -> None:
    recipe = SelectionParams(
        recommender="als", best_simple="popularity", language="e" * 64, sequence_epochs=None, ranker_epochs=None,
        blend=None, selected_until=datetime(2025, 1, 1, tzinfo=UTC),
    )  # fmt: skip
    by = {name: small_params(f"gate.primary={name}").model_copy(update={"selection": recipe}) for name in PRIMARY_SLICE}
    slices = {name: {row.slice for row in run(split, params)[2].slices} for name, params in by.items()}
    assert not {"next_event", "all"} & slices["global_time"]
    assert "all" in slices["next_event"]
