"""The ranker: it learns a planted preference, and nothing from shuffled labels."""

import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from components.contracts import Users
from components.errors import ContractError
from components.language.sentiment import auc
from components.params import RankingParams
from components.ranking.calibration import fit_calibration
from components.ranking.examples import Examples, split_by_time
from components.ranking.features import RankerInputs
from components.ranking.measure import measure
from components.ranking.model import loss
from components.ranking.ranker import Ranker
from tests.components.ranking.support import N_ITEMS, N_USERS, shown
from tests.components.used_process import used_process
from tests.support import ragged

pytestmark = pytest.mark.filterwarnings("ignore:.*LeafSpec:FutureWarning")
_fitted: list[Ranker] = []


@pytest.fixture
def ranker(knobs: RankingParams, examples: Examples, known: RankerInputs) -> Ranker:
    """Return the ranker, fitted once; no test may change it."""
    if not _fitted:
        _fitted.append(Ranker(knobs).fit(examples, known, 0))
    return _fitted[0]


def test_a_planted_preference_is_learned_with_calibrated_probabilities(ranker: Ranker) -> None:
    test = shown(3000, seed=2)
    right = test.user % 2 == test.item % 2
    chances = ranker.predict_proba(test.user, test.item)
    assert chances[right, 0].mean() == pytest.approx(0.6, abs=0.1)  # in the first position
    assert chances[~right, 0].mean() < 0.25  # 0.1 in truth
    for column in range(3):
        assert auc(chances[:, column], test.labels[:, column] > 0.5) > 0.65
    predicted = ranker.predict_examples(test)[:, 0]
    assert abs(predicted.mean() - test.labels[:, 0].mean()) < 0.05  # 400 examples calibrate: 2.5 standard errors
    assert ranker.best_epoch == int(np.argmin(ranker.curves["validation/loss"])) + 1
    assert predicted[test.position == 9].mean() < 0.6 * predicted[test.position == 0].mean()


def test_its_metrics_beat_the_baselines(ranker: Ranker, examples: Examples) -> None:
    metrics = measure(ranker, examples, shown(3000, seed=2), np.arange(N_ITEMS + 1, dtype=np.float32))
    for task in ("click", "cart", "purchase"):
        assert metrics[f"{task}/auc"] > metrics[f"{task}/auc_popularity"] + 0.1
        assert metrics[f"{task}/log_loss"] < metrics[f"{task}/log_loss_constant"]
        assert 0 <= metrics[f"{task}/calibration_error"] < 0.05


def test_the_ranker_is_the_same_after_other_work(
    ranker: Ranker, knobs: RankingParams, examples: Examples, known: RankerInputs, tmp_path: Path
) -> None:
    ranker.save(tmp_path / "fresh")
    with used_process():
        Ranker(knobs).fit(examples, known, 0).save(tmp_path / "used")
    for name in ("arrays.safetensors", "ranker.json"):
        assert (tmp_path / "used" / name).read_bytes() == (tmp_path / "fresh" / name).read_bytes()


def test_shuffled_labels_give_an_auc_of_one_half(knobs: RankingParams, examples: Examples, known: RankerInputs) -> None:
    mixed = np.random.default_rng(3).permutation(len(examples))
    shuffled = Examples(
        examples.user,
        examples.item,
        examples.position,
        examples.timestamp,
        np.ascontiguousarray(examples.labels[mixed]),
    )
    ranker = Ranker(knobs).fit(shuffled, known, 0)
    test = shown(3000, seed=2)
    assert auc(ranker.predict_proba(test.user, test.item)[:, 0], test.labels[:, 0] > 0.5) == pytest.approx(0.5, abs=0.1)


def test_load_gives_the_same_probabilities_and_the_same_seed_the_same_bytes(
    ranker: Ranker, knobs: RankingParams, examples: Examples, known: RankerInputs, tmp_path: Path
) -> None:
    ranker.save(tmp_path / "one")
    Ranker(knobs).fit(examples, known, 0).save(tmp_path / "two")
    Ranker(knobs).fit(examples, known, 1).save(tmp_path / "three")
    digests = [
        hashlib.sha256(b"".join(p.read_bytes() for p in sorted((tmp_path / name).iterdir()))).hexdigest()
        for name in ("one", "two", "three")
    ]
    assert digests[0] == digests[1] != digests[2]
    items = np.arange(N_ITEMS + 1, dtype=np.int32)
    unknown_user = np.zeros(N_ITEMS + 1, np.int32)
    loaded = Ranker.load(tmp_path / "one")
    np.testing.assert_array_equal(loaded.predict_proba(unknown_user, items), ranker.predict_proba(unknown_user, items))
    with pytest.raises(ContractError, match=r"user_idx 1\.\.1"):
        loaded.predict_proba(unknown_user + 1, items)  # it has no users' features
    loaded.save(tmp_path / "again")
    assert (tmp_path / "again/arrays.safetensors").read_bytes() == (tmp_path / "one/arrays.safetensors").read_bytes()


def test_for_users_predicts_for_any_history_and_profile(ranker: Ranker, tmp_path: Path) -> None:
    """Users with even items, with odd items and without events: a saved ranker predicts the same for them."""
    users = Users(np.zeros(3, np.int32), ragged([[2, 4, 6], [1, 3, 5], []]), now=10**12)
    profiles = np.zeros((3, 4), np.float32)
    ranker.save(tmp_path / "saved")
    user_idx, items = np.repeat(np.arange(3, dtype=np.int32), 2), np.array([8, 9] * 3, np.int32)
    predicted = ranker.for_users(users, profiles).predict_proba(user_idx, items)
    np.testing.assert_array_equal(
        Ranker.load(tmp_path / "saved").for_users(users, profiles).predict_proba(user_idx, items), predicted
    )
    chances = predicted[:, 0].reshape(3, 2)
    assert chances[0, 0] > chances[0, 1] + 0.1
    assert chances[1, 1] > chances[1, 0] + 0.1
    assert len(ranker.inputs.user) == N_USERS + 1  # the ranker itself is unchanged


@settings(max_examples=40, deadline=None, derandomize=True)
@given(st.integers(0, 2**32 - 1), st.integers(0, 60), st.floats(0.1, 30), st.tuples(*[st.floats(0, 1)] * 3))
def test_probabilities_never_rise_along_the_funnel(
    knobs: RankingParams, seed: int, n: int, scale: float, rates: tuple[float, float, float]
) -> None:
    """For any logits and labels, also where calibration would have to reverse the order."""
    rng = np.random.default_rng(seed)
    steps = rng.normal(0, scale, (n + 20, 3)).astype(np.float32)
    happens = rng.random((n, 3)) < rates
    labels = np.logical_and.accumulate(happens, axis=1).astype(np.float32)
    ranker = Ranker(knobs)
    ranker.calibration = fit_calibration(steps[:n], labels)
    for calibrated in (True, False):
        chances = ranker._probabilities(steps, calibrated)
        assert (chances[:, 1:] <= chances[:, :-1]).all()
        assert ((chances >= 0) & (chances <= 1)).all()


def test_the_articles_network_trains_ten_epochs(knobs: RankingParams, known: RankerInputs) -> None:
    few = shown(400, seed=4)
    ranker = Ranker(knobs.model_copy(update={"configuration": "seed_faithful"})).fit(few, known, 0)
    assert len(ranker.curves["train/loss"]) == len(ranker.curves["validation/accuracy"]) == 10
    losses = ranker.curves["validation/loss"]
    _, stop, _ = split_by_time(few, knobs.holdout_share)
    inputs = known.batch(stop.user, stop.item, stop.position)
    with torch.inference_mode():
        last = float(loss(ranker.net(inputs), torch.from_numpy(stop.labels), ranker.params))
    assert last == pytest.approx(losses[-1], rel=1e-5)  # the tenth epoch is kept
    assert ranker.best_epoch == 10
    assert ranker.predict_proba(few.user, few.item).shape == (400, 1)


def test_a_fixed_number_of_epochs_learns_from_all_but_the_calibration_part(
    knobs: RankingParams, examples: Examples, known: RankerInputs, tmp_path: Path
) -> None:
    """The newest tenth calibrates; the labels of the tenth before it change the weights, which early stopping reads."""
    learn, stop, _ = split_by_time(examples, knobs.holdout_share)
    reversed_stop = examples.labels.copy()
    reversed_stop[len(learn) : len(learn) + len(stop)] = 1 - reversed_stop[len(learn) : len(learn) + len(stop)]
    newest = examples.labels.copy()
    newest[len(learn) + len(stop) :] = newest[len(learn) + len(stop) :][::-1]
    weights = []
    for labels in (examples.labels, examples.labels, newest, reversed_stop):
        ranker = Ranker(knobs)
        ranker.epochs = 2
        ranker.fit(replace(examples, labels=labels), known, 0).save(tmp_path / str(len(weights)))
        assert (ranker.best_epoch, len(ranker.curves["train/loss"])) == (2, 2)
        weights.append(torch.cat([w.flatten() for w in ranker.net.state_dict().values()]))
    assert torch.equal(weights[0], weights[1])
    assert torch.equal(weights[0], weights[2])
    assert not torch.equal(weights[0], weights[3])
    saved = [(tmp_path / name / "arrays.safetensors").read_bytes() for name in "012"]
    assert saved[0] == saved[1] != saved[2]  # calibrated on other labels


def test_curves_and_histograms_are_written_every_epoch(
    knobs: RankingParams, examples: Examples, known: RankerInputs, tmp_path: Path
) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    ranker = Ranker(knobs.model_copy(update={"max_epochs": 2, "patience": 2}))
    ranker.board = tmp_path
    ranker.fit(examples, known, 0)
    board = EventAccumulator(str(tmp_path), {"histograms": 0}).Reload()
    assert len(board.Scalars("validation/loss")) == 2
    assert len(board.Histograms("heads.weight")) == 2


def test_unknown_indices_and_damaged_files_are_refused(
    ranker: Ranker, knobs: RankingParams, known: RankerInputs, tmp_path: Path
) -> None:
    one = np.array([1], np.int32)
    with pytest.raises(ContractError, match=r"item_idx 31\.\.31"):
        ranker.predict_proba(one, np.array([31], np.int32))
    assert np.isfinite(ranker.predict_proba(np.zeros(1, np.int32), np.zeros(1, np.int32))).all()  # unknown pair
    none = shown(50, seed=5)
    none.labels[:] = 0
    with pytest.raises(ContractError, match="0 of 40 examples to learn from are a click"):
        Ranker(knobs).fit(none, known, 0)
    with pytest.raises(ContractError, match="run the stage `rank` again"):
        Ranker.load(tmp_path)
