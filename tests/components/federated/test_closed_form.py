"""EASE and transitions of members' sums against those of all events at one place."""

import numpy as np
import pytest

from components.contracts import Catalogue, Interactions, Users
from components.errors import ContractError
from components.federated.closed_form import ItemTotals, fit_models, pair_values, translate_events, unpack_pairs
from components.federated.messages import Message
from components.federated.secure_sum import SumPlan, secure_sum
from components.params import Params
from components.recommenders.ease import EaseRecommender, choose_items, seen_once
from components.recommenders.sums import TrainingSums
from components.recommenders.transitions import TransitionsRecommender, count_transitions
from tests.components.federated.support import POLICY, LocalChannel, make_members

World = tuple[Interactions, Catalogue, Users]
N = 10


def events_of(member: int, events: Interactions) -> Interactions:
    return events.filter(events.user_idx % N == member)


@pytest.mark.parametrize("step", ["shares", "masked", "unmask"])
def test_models_of_secure_sums_are_those_of_all_events(world: World, params: Params, step: str) -> None:
    """20 % of ten members drop out: the sums equal those of the others' events to 1e-6, and so do the models."""
    events, catalogue, users = world
    half_life = params.models.popularity.half_life_days
    names = [f"shop-{n}" for n in range(N)]
    drops = {step: names[:2]}
    parts = {name: events_of(n, events) for n, name in enumerate(names)}
    left = events if step == "unmask" else events.filter(events.user_idx % N >= 2)

    def total(vectors: dict[str, np.ndarray]) -> np.ndarray:
        plan = SumPlan("run/1", Message(), len(vectors[names[0]]), POLICY)
        return secure_sum(LocalChannel(make_members(vectors), drops), plan, names).total

    vectors = {name: ItemTotals.of(own, half_life).pack() for name, own in parts.items()}
    totals = ItemTotals.unpack(total(vectors), events.n_items)
    central = TrainingSums.of(left, [half_life])
    np.testing.assert_allclose(totals.decayed, central.decayed[half_life], rtol=0, atol=1e-6)
    np.testing.assert_array_equal(totals.count, central.count)
    chosen = choose_items(totals.taken, 15)
    gram, counts = unpack_pairs(total({n: pair_values(own, chosen, params.models) for n, own in parts.items()}), 15)
    seen = seen_once(central)[:, chosen].astype(np.float64)
    np.testing.assert_allclose(gram, (seen.T @ seen).toarray(), rtol=0, atol=1e-6)
    expected = count_transitions(left.by_user(), left.n_items, params.models.transitions)[chosen][:, chosen].toarray()
    assert expected.sum() > 0
    np.testing.assert_allclose(counts, expected, rtol=0, atol=1e-6)

    models = params.models.model_copy(update={"ease": params.models.ease.model_copy(update={"max_items": 15})})
    found = fit_models(totals, chosen, (gram, counts), models, catalogue, events.now)
    ease = EaseRecommender(models.ease, models.popularity).fit(left, catalogue, users)
    np.testing.assert_allclose(found["ease"].score(users), ease.score(users), rtol=0, atol=1e-5)


def test_all_products_give_the_central_transitions(world: World, params: Params) -> None:
    events, catalogue, users = world
    half_life = params.models.popularity.half_life_days
    totals = ItemTotals.of(events, half_life)
    chosen = choose_items(totals.taken, events.n_items)
    pairs = unpack_pairs(pair_values(events, chosen, params.models), len(chosen))
    found = fit_models(totals, chosen, pairs, params.models, catalogue, events.now)
    central = TransitionsRecommender.from_params(params).fit(events, catalogue, users)
    np.testing.assert_allclose(found["transitions"].score(users), central.score(users), rtol=0, atol=1e-6)
    np.testing.assert_allclose(ItemTotals.unpack(totals.pack(), events.n_items).kinds, totals.kinds)


def test_events_are_translated_to_the_shared_catalogue(world: World) -> None:
    events, catalogue, _ = world
    shared = ["", "sku-3", "unknown elsewhere", "sku-1"]
    found = translate_events(events, catalogue.item_id, shared, events.now)
    assert found.n_items == 3
    assert (found.item_idx == 1).sum() == (events.item_idx == 3).sum() > 0
    assert len(found) == np.isin(events.item_idx, [1, 3]).sum()
    first = int(events.timestamp.min())
    assert len(translate_events(events, catalogue.item_id, catalogue.item_id, first)) == 0
    assert len(translate_events(events, catalogue.item_id, catalogue.item_id, first + 1)) > 0


def test_products_outside_the_catalogue_are_refused(world: World, params: Params) -> None:
    for chosen in ([], [0, 1], [3, 2], [1, 21]):
        with pytest.raises(ContractError, match=r"expected item_idx 1\.\.20, ascending"):
            pair_values(world[0], np.array(chosen, np.int32), params.models)
