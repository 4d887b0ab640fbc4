"""The contract of every recommender; each model in the table MODELS is tested.

Where models differ by design, attributes of their classes say so (BaseRecommender.is_personal and those below it).
"""

import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from components.contracts import Catalogue, Interactions, Recommender, Users
from components.errors import ContractError
from components.params import Params
from components.recommenders.factory import MODELS, SIMPLE, create, load_model, model_class
from tests.components.recommenders.support import UNTRAINED, every_model

World = tuple[Interactions, Catalogue, Users]
_fitted: dict[str, Recommender] = {}


@pytest.fixture
def model(name: str, world: World, params: Params) -> Recommender:
    """Return the model, fitted once on the checkerboard; no test may change it."""
    if name not in _fitted:
        _fitted[name] = create(name, params).fit(*world)
    return _fitted[name]


def files(folder: Path) -> dict[str, str]:
    return {
        str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest()
        for p in sorted(folder.rglob("*"))
        if p.is_file()
    }


@every_model
def test_scores_are_finite_float32_and_fresh(model: Recommender, world: World) -> None:
    _, catalogue, users = world
    scores = model.score(users)
    assert scores.shape == (len(users), len(catalogue) + 1)
    assert scores.dtype == np.float32
    assert np.isfinite(scores).all()
    before = scores.copy()
    scores[:] = -1
    np.testing.assert_array_equal(model.score(users), before)


@every_model
def test_scores_of_some_items_are_columns_of_all(model: Recommender, world: World) -> None:
    some = np.array([7, 20, 1, 7], np.int32)
    scores = model.score(world[2], some)
    np.testing.assert_allclose(scores, model.score(world[2])[:, some], rtol=1e-5, atol=1e-6)
    assert model.score(world[2], np.array([], np.int32)).shape == (len(world[2]), 0)


@every_model
@pytest.mark.parametrize("exclude_seen", [True, False])
def test_lists_are_the_scores_sorted(model: Recommender, world: World, exclude_seen: bool) -> None:
    _, catalogue, users = world
    ranked, scores = model.recommend(users, 5, exclude_seen), model.score(users)
    assert ranked.items.dtype == np.int32
    assert ranked.scores.dtype == np.float32
    for row in range(len(users)):
        hidden = set(users.history.row(row).tolist()) if exclude_seen else set()
        open_items = [i for i in range(1, len(catalogue) + 1) if i not in hidden]
        best = sorted(open_items, key=lambda i: (-scores[row, i], i))[:5]
        assert len(set(ranked.items[row])) == 5
        np.testing.assert_allclose(ranked.scores[row], scores[row, best], rtol=1e-4, atol=1e-5)
        assert set(ranked.items[row]) <= set(open_items)


@every_model
def test_candidates_bound_the_lists_and_short_ones_are_padded(model: Recommender, world: World) -> None:
    _, catalogue, users = world
    mask = np.zeros(len(catalogue) + 1, dtype=bool)
    mask[[0, 3, 4, 20]] = True
    ranked = model.recommend(users, 30, exclude_seen=False, candidates=mask)
    assert ranked.items.shape == (len(users), 30)
    assert (np.sort(ranked.items[:, :3], axis=1) == [3, 4, 20]).all()
    assert (ranked.items[:, 3:] == 0).all()
    assert np.isneginf(ranked.scores[:, 3:]).all()
    assert (np.diff(ranked.scores[:, :3], axis=1) <= 0).all()


@every_model
def test_an_empty_history_gets_a_full_list(model: Recommender, world: World, users_of: Callable[..., Users]) -> None:
    ranked = model.recommend(users_of([[]]), 10)
    assert np.isfinite(ranked.scores).all()
    assert (ranked.items > 0).all()


@every_model
def test_lists_without_history_are_popular_items(
    model: Recommender, world: World, name: str, params: Params, users_of: Callable[..., Users]
) -> None:
    if not model_class(name).falls_back_on_popularity:
        pytest.skip("the model has an order of its own for users without history")
    popular = create("popularity", params).fit(*world).recommend(users_of([[]]), 20)
    np.testing.assert_array_equal(model.recommend(users_of([[]]), 20).items, popular.items)


@every_model
def test_scores_depend_on_the_history_only(model: Recommender, world: World) -> None:
    users = world[2]
    strangers = replace(users, user_idx=np.zeros_like(users.user_idx), targets=None)
    np.testing.assert_array_equal(model.score(strangers), model.score(users))
    np.testing.assert_array_equal(model.recommend(strangers, 5).items, model.recommend(users, 5).items)


@every_model
def test_lists_do_not_depend_on_order_or_batches_of_users(model: Recommender, users_of: Callable[..., Users]) -> None:
    rows = [[1, 3], [], [2, 4, 6, 8], [20], [5, 5, 5], [19, 2]]
    alone = np.concatenate([model.score(users_of([row])) for row in rows])
    together = model.score(users_of(rows))
    np.testing.assert_allclose(together, alone, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(model.score(users_of(rows[::-1]))[::-1], alone, rtol=1e-4, atol=1e-5)


@every_model
def test_the_checkerboard_is_learned(model: Recommender, world: World, name: str) -> None:
    """Each user's list is of their colour; a model that is not personal scores alike for all users."""
    users = world[2]
    if not model_class(name).is_personal:
        scores = model.score(users)
        np.testing.assert_array_equal(scores, np.tile(scores[0], (len(users), 1)))
        return
    ranked = model.recommend(users, 3, exclude_seen=not MODELS[name].repeats_only)
    is_right_parity = ranked.items[1:] % 2 == (users.user_idx[1:] % 2)[:, None]
    assert is_right_parity.mean() > 0.9


@every_model
def test_load_gives_the_same_scores(model: Recommender, world: World, name: str, tmp_path: Path) -> None:
    model.save(tmp_path)
    loaded = load_model(tmp_path)
    assert type(loaded) is type(model)
    np.testing.assert_array_equal(loaded.score(world[2]), model.score(world[2]))
    loaded.save(tmp_path / "again")
    assert files(tmp_path / "again") == {k: v for k, v in files(tmp_path).items() if not k.startswith("again")}
    assert {p.suffix for p in tmp_path.rglob("*") if p.is_file()} <= {".safetensors", ".json"}


@every_model
def test_the_same_fit_gives_the_same_bytes(
    model: Recommender, world: World, params: Params, name: str, tmp_path: Path
) -> None:
    model.save(tmp_path / "one")
    create(name, params).fit(*world).save(tmp_path / "two")
    assert files(tmp_path / "one") == files(tmp_path / "two")


@every_model
def test_fit_leaves_its_input_alone(world: World, params: Params, name: str) -> None:
    before = [a.copy() for a in (world[0].weight, world[0].item_idx, world[1].embedding, world[2].history.weight)]
    create(name, params).fit(*world)
    after = (world[0].weight, world[0].item_idx, world[1].embedding, world[2].history.weight)
    for was, now in zip(before, after, strict=True):
        np.testing.assert_array_equal(was, now)


@pytest.mark.parametrize("name", SIMPLE)
def test_anonymous_events_affect_item_counts_only(world: World, params: Params, name: str) -> None:
    """Anonymous visitors buy item 2 with item 3: item 2 sells more, but 2 and 3 do not co-occur."""
    events, catalogue, users = world
    crowd = np.tile(np.array([2, 3], np.int32), 50)
    add: dict[str, Any] = {
        "user_idx": np.concatenate([np.zeros(100, np.int32), events.user_idx]),
        "item_idx": np.concatenate([crowd, events.item_idx]),
        "timestamp": np.concatenate([np.full(100, events.timestamp[0]), events.timestamp]),
        "event": np.concatenate([np.full(100, 2, np.int8), events.event]),
        "weight": np.concatenate([np.ones(100, np.float32), events.weight]),
    }
    with_crowd = create(name, params).fit(replace(events, **add), catalogue, users)
    without = create(name, params).fit(events, catalogue, users)
    kind = model_class(name)
    if kind.falls_back_on_popularity:  # the first user has no history
        assert set(with_crowd.recommend(users, 2, exclude_seen=False).items[0]) == {2, 3}
    if kind.is_personal and not kind.counts_anonymous_events:
        np.testing.assert_allclose(with_crowd.score(users), without.score(users), atol=2e-5)


@pytest.mark.parametrize("name", UNTRAINED)
def test_anonymous_events_alone_give_popularity(world: World, params: Params, name: str) -> None:
    events, catalogue, users = world
    strangers = replace(events, user_idx=np.zeros_like(events.user_idx))
    model = create(name, params).fit(strangers, catalogue, users)
    sales = np.bincount(events.item_idx, minlength=events.n_items + 1)
    if model_class(name).falls_back_on_popularity:
        assert sales[model.recommend(users, 1, exclude_seen=False).items[0, 0]] == sales.max()
    assert np.isfinite(model.score(users)).all()


@every_model
def test_no_users_give_empty_lists(model: Recommender, users_of: Callable[..., Users]) -> None:
    assert model.recommend(users_of([]), 5).items.shape == (0, 5)


@every_model
def test_foreign_items_are_refused(model: Recommender, world: World, users_of: Callable[..., Users]) -> None:
    with pytest.raises(ContractError, match="21"):
        model.score(users_of([[21]]))
    with pytest.raises(ContractError, match="21"):
        model.score(world[2], np.array([21], np.int32))
    with pytest.raises(ContractError, match="mask"):
        model.recommend(world[2], 5, candidates=np.ones(7, dtype=bool))
    with pytest.raises(ContractError, match="k is 0"):
        model.recommend(world[2], 0)


def _array_file(folder: Path) -> Path:
    return max(folder.rglob("*.safetensors"), key=lambda p: p.stat().st_size)


def _remove_settings(folder: Path) -> None:
    (folder / "model.json").unlink()


def _remove_arrays(folder: Path) -> None:
    _array_file(folder).unlink()


def _truncate_arrays(folder: Path) -> None:
    path = _array_file(folder)
    path.write_bytes(path.read_bytes()[:-100])


def _reshape_arrays(folder: Path) -> None:
    path = _array_file(folder)
    save_file({key: value[:-1] for key, value in load_file(path).items()}, path)


def _rename_model(folder: Path) -> None:
    path = folder / "model.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "name": "oracle"}))


def _age_format(folder: Path) -> None:
    path = folder / "model.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "format": 0}))


@every_model
@pytest.mark.parametrize(
    "damage",
    [_remove_settings, _remove_arrays, _truncate_arrays, _reshape_arrays, _rename_model, _age_format],
    ids=lambda f: f.__name__.strip("_"),
)
def test_a_damaged_folder_is_refused(model: Recommender, damage: Callable[[Path], None], tmp_path: Path) -> None:
    model.save(tmp_path)
    damage(tmp_path)
    with pytest.raises(ContractError):
        load_model(tmp_path)
