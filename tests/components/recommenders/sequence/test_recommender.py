"""The sequence model as a Recommender, beyond the contract of all models in test_contract.py."""

import hashlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from components.contracts import Catalogue, Interactions, Users
from components.errors import ContractError
from components.params import Params
from components.ragged import Ragged
from components.recommenders.factory import load_model
from components.recommenders.sequence.recommender import SequenceRecommender
from tests.components.used_process import used_process

World = tuple[Interactions, Catalogue, Users]
_fitted: list[SequenceRecommender] = []


def create(params: Params, epochs: int = 2, seed: int = 0) -> SequenceRecommender:
    trainer = params.trainer.model_copy(update={"max_epochs": epochs})
    return SequenceRecommender(params.models.sequence, trainer, seed, exclude_seen=True)


@pytest.fixture
def model(world: World, params: Params) -> SequenceRecommender:
    """Return the model, trained once on the checkerboard; no test may change it."""
    if not _fitted:
        _fitted.append(create(params, epochs=12).fit(*world))
    return _fitted[0]


def digest(folder: Path) -> str:
    return hashlib.sha256(b"".join(p.read_bytes() for p in sorted(folder.iterdir()))).hexdigest()


def test_the_model_overfits_the_checkerboard(model: SequenceRecommender, world: World) -> None:
    users = world[2]
    ranked = model.recommend(users, 3).items[1:]
    assert (ranked % 2 == (users.user_idx[1:] % 2)[:, None]).mean() > 0.95
    loss = model.curves["train/loss"]
    assert loss[-1] < 0.85 * loss[0]
    assert max(model.curves["validation/ndcg_at_10"]) > 0.3


def test_a_product_without_sales_is_scored_by_its_text(
    model: SequenceRecommender, users_of: Callable[..., Users]
) -> None:
    """Item 20 is even and has a text only: users of even items get it above every odd one."""
    scores = model.score(users_of([[2, 4, 6], [1, 3, 5]]))
    assert scores[0, 20] > scores[0, 1:20:2].max()
    assert scores[1, 20] < scores[1, 1:20:2].min()


def test_repeats_are_merged_and_events_beyond_max_length_enter_as_a_mean(
    model: SequenceRecommender, users_of: Callable[..., Users], params: Params
) -> None:
    row = [1, 2, 3, 4, 5, 6, 7, 8]
    assert len(row) == params.models.sequence.max_length
    histories = [[11, 13, *row], [1, 1, 1, 2, 3, 4, 5, 6, 7, 8], row, [13, 11, *row], [12, 14, *row]]
    scores = model.score(users_of(histories))
    np.testing.assert_allclose(scores[1], scores[2], atol=1e-6)
    np.testing.assert_allclose(scores[0], scores[3], atol=1e-6)
    assert np.abs(scores[0] - scores[4]).max() > 1e-3


def test_the_newest_event_changes_the_scores(model: SequenceRecommender, users_of: Callable[..., Users]) -> None:
    scores = model.score(users_of([[1, 3, 2], [1, 3]]))
    assert np.abs(scores[0] - scores[1]).max() > 1e-2


def test_load_gives_the_same_scores_and_needs_no_lightning(
    model: SequenceRecommender, world: World, tmp_path: Path
) -> None:
    model.save(tmp_path)
    loaded = load_model(tmp_path)
    np.testing.assert_array_equal(loaded.score(world[2]), model.score(world[2]))
    assert sorted(p.name for p in tmp_path.iterdir()) == ["arrays.safetensors", "model.json"]


def test_the_scores_of_members_are_averaged(world: World, params: Params, tmp_path: Path) -> None:
    section = params.models.sequence.model_copy(update={"members": 2})
    model = SequenceRecommender(section, params.trainer.model_copy(update={"max_epochs": 2}), 0, exclude_seen=True)
    scores = model.fit(*world).score(world[2])
    model.save(tmp_path)
    loaded = load_model(tmp_path)
    assert isinstance(loaded, SequenceRecommender)
    np.testing.assert_array_equal(loaded.score(world[2]), scores)
    some = np.array([3, 1], np.int32)
    np.testing.assert_allclose(loaded.score(world[2], some), scores[:, some], atol=1e-6)
    single, halves = create(params), np.split(loaded.vectors, 2, axis=1)
    single.price, single.event_shares = loaded.price, loaded.event_shares
    by_member = []
    for transformer, vectors in zip(loaded.transformers, halves, strict=True):
        single.transformers, single.vectors = [transformer], np.ascontiguousarray(vectors)
        by_member.append(single.score(world[2]))
    np.testing.assert_allclose(np.mean(by_member, axis=0), scores, atol=1e-6)
    assert np.abs(by_member[0] - by_member[1]).max() > 0.01


def test_same_seed_same_bytes_other_seed_other_bytes(world: World, params: Params, tmp_path: Path) -> None:
    for name, seed in (("one", 0), ("two", 0), ("three", 1)):
        create(params, seed=seed).fit(*world).save(tmp_path / name)
    assert digest(tmp_path / "one") == digest(tmp_path / "two") != digest(tmp_path / "three")


def test_the_model_is_the_same_after_other_work(world: World, params: Params, tmp_path: Path) -> None:
    create(params).fit(*world).save(tmp_path / "fresh")
    with used_process():
        create(params).fit(*world).save(tmp_path / "used")
    assert digest(tmp_path / "used") == digest(tmp_path / "fresh")


def test_a_fixed_number_of_epochs_gives_the_bytes_of_the_run_that_selected_it(
    world: World, params: Params, tmp_path: Path
) -> None:
    """With early stopping before trainer.max_epochs, so that the best epoch is not the last one."""
    trainer = params.trainer.model_copy(update={"max_epochs": 14, "patience": 2, "learning_rate": 0.01})
    chosen = SequenceRecommender(params.models.sequence, trainer, 0, exclude_seen=True).fit(*world)
    curve = chosen.curves["validation/ndcg_at_10"]
    best = int(np.argmax(curve)) + 1
    assert 1 < best < len(curve) < 14
    chosen.save(tmp_path / "chosen")
    model = SequenceRecommender(params.models.sequence, trainer, 0, exclude_seen=True)
    model.epochs = best
    model.fit(*world).save(tmp_path / "fixed")
    assert digest(tmp_path / "fixed") == digest(tmp_path / "chosen")
    assert model.curves == {"train/loss": chosen.curves["train/loss"][:best]}
    assert (chosen.best_epoch, model.best_epoch) == (best, None)
    for epochs in (0, 15):
        model.epochs = epochs
        with pytest.raises(ContractError, match=rf"expected 1 to trainer\.max_epochs 14 epochs, got {epochs}"):
            model.fit(*world)


def read(users: Users) -> tuple[Ragged, Ragged]:
    return users.history, users.ground_truth


def test_every_input_of_training_is_in_the_key(world: World, params: Params) -> None:
    events, catalogue, users = world
    model = create(params)
    assert users.targets is not None
    assert catalogue.embedding is not None
    other = users.targets.item_idx[::-1].copy()
    codes = np.zeros((len(catalogue.item_id), 1), np.int64)
    keys = [
        model._key(events, catalogue, codes, read(users)),
        create(params, seed=1)._key(events, catalogue, codes, read(users)),
        create(params, epochs=3)._key(events, catalogue, codes, read(users)),
        model._key(replace(events, weight=events.weight * 2), catalogue, codes, read(users)),
        model._key(replace(events, event=events.event - 1), catalogue, codes, read(users)),
        model._key(events, replace(catalogue, embedding=-catalogue.embedding), codes, read(users)),
        model._key(events, catalogue, codes + 1, read(users)),
        model._key(events, catalogue, codes, read(replace(users, targets=replace(users.targets, item_idx=other)))),
    ]
    fixed = create(params)
    fixed.epochs = 2
    keys.append(fixed._key(events, catalogue, codes, read(users)))
    keys.append(model._key(events, catalogue, codes, read(users), "epsilon"))
    assert len(set(keys)) == len(keys)
    two = create(params)
    two.trainer = two.trainer.model_copy(update={"devices": 2, "strategy": "ddp", "max_minutes": 1.0})
    assert two._key(events, catalogue, codes, read(users)) == keys[0]


def test_invalid_training_data_is_refused(world: World, params: Params) -> None:
    events, catalogue, users = world
    with pytest.raises(ContractError, match="run `encode`"):
        create(params).fit(events, replace(catalogue, embedding=None), users)
    with pytest.raises(ContractError, match="no known user has an event"):
        create(params).fit(replace(events, user_idx=np.zeros_like(events.user_idx)), catalogue, users)
    with pytest.raises(ContractError, match=r"widen split\.validation_days"):
        create(params).fit(events, catalogue, replace(users, targets=users.history))
    several = params.trainer.model_copy(update={"devices": 2})
    with pytest.raises(ContractError, match="set `work`"):
        SequenceRecommender(params.models.sequence, several, 0, exclude_seen=True).fit(*world)


def test_after_epoch_is_called_and_may_end_the_training(world: World, params: Params) -> None:
    values: list[float] = []
    model = create(params, epochs=3)
    model.after_epoch = values.append
    model.fit(*world)
    assert values == model.curves["validation/ndcg_at_10"]

    def enough(value: float) -> None:
        raise InterruptedError(f"{value:.4f} is enough")

    model.after_epoch = enough
    with pytest.raises(InterruptedError, match="is enough"):
        model.fit(*world)


def test_training_works_in_the_precision_of_a_gpu(world: World, params: Params) -> None:
    """bf16-mixed, the choice of `trainer.precision: auto` on a GPU, also with histories longer than max_length."""
    trainer = params.trainer.model_copy(update={"precision": "bf16-mixed"})
    sequence = params.models.sequence.model_copy(update={"max_length": 4})
    models = params.models.model_copy(update={"sequence": sequence})
    model = create(params.model_copy(update={"trainer": trainer, "models": models}), epochs=12).fit(*world)
    assert model.curves["train/loss"][-1] < 0.9 * model.curves["train/loss"][0]
    assert max(model.curves["validation/ndcg_at_10"]) > 0.3
