"""The network: what a place may see, and what an item's vector is made of."""

import pytest
import torch
from torch import Tensor

from components.params import Params, Sequence
from components.recommenders.sequence.model import START, Items, Net, Transformer

N = 12  # rows of the table: 11 items and no item


@pytest.fixture
def knobs(params: Params) -> Sequence:
    return params.models.sequence


@pytest.fixture
def net(knobs: Sequence) -> Net:
    torch.manual_seed(0)
    text = torch.nn.functional.normalize(torch.randn(N, 6), dim=1)
    evidence = torch.tensor([0.0, 0.0, *range(1, N - 1)])  # item 1 was never sold
    return Net(Items(text, evidence, knobs), Transformer(knobs), knobs)


def histories(rows: list[list[int]], width: int) -> tuple[Tensor, Tensor, Tensor]:
    """Return items, events and weights with the start place first."""
    items, events = torch.zeros(len(rows), width, dtype=torch.long), torch.full((len(rows), width), START)
    for i, row in enumerate(rows):
        items[i, 1 : len(row) + 1] = torch.tensor(row)
        events[i, 1 : len(row) + 1] = 2
    return items, events, (items > 0).float()


def test_the_future_does_not_change_past_states(net: Net) -> None:
    net.eval()
    items, events, _ = histories([[1, 2, 3, 4, 5]], 6)
    other, other_events = items.clone(), events.clone()
    other[0, 4:], other_events[0, 4:] = 9, 0
    one, two = (net.transformer(net.items(), i, e)[0] for i, e in ((items, events), (other, other_events)))
    torch.testing.assert_close(one[:4], two[:4], rtol=0, atol=1e-6)
    assert (one[4] - two[4]).norm() > 1e-3


def test_padding_and_neighbours_in_the_batch_change_nothing(net: Net) -> None:
    net.eval()
    alone, _ = net.transformer(net.items(), *histories([[3, 1]], 3)[:2]), None
    packed = net.transformer(net.items(), *histories([[3, 1], [4, 5, 6, 7, 8]], 8)[:2])
    torch.testing.assert_close(packed[0, :3], alone[0], rtol=0, atol=1e-6)


def test_order_and_kind_of_events_count(net: Net) -> None:
    net.eval()
    items, events, _ = histories([[1, 2], [2, 1], [1, 2]], 3)
    events[2, 2] = 0  # a view, where the others buy
    states = net.transformer(net.items(), items, events)[:, -1]
    assert (states[0] - states[1]).norm() > 1e-3
    assert (states[0] - states[2]).norm() > 1e-3


def test_states_and_vectors_are_unit_and_no_item_is_zero(net: Net) -> None:
    vectors = net.items()
    states = net.transformer(vectors, *histories([[1, 2], []], 3)[:2])
    assert not vectors[0].any()
    torch.testing.assert_close(vectors[1:].norm(dim=1), torch.ones(N - 1))
    torch.testing.assert_close(states.norm(dim=-1), torch.ones(2, 3))


def test_the_own_vector_fades_in_with_evidence(net: Net, knobs: Sequence) -> None:
    with torch.no_grad():
        text_only = torch.nn.functional.normalize(net.items.project(net.items.text), dim=1)
        turned = net.items()
        likeness = (turned * text_only).sum(dim=1)
    torch.testing.assert_close(turned[1], text_only[1])  # never sold: the text alone
    assert (likeness[2:] < 0.9999).all()
    half = net.items.fade[:, 0] * (torch.tensor([0.0, 0.0, *range(1, N - 1)]) + knobs.id_evidence)
    torch.testing.assert_close(half, torch.tensor([0.0, 0.0, *range(1, N - 1)]))


def test_loss_is_the_weighted_cross_entropy_by_hand(net: Net, knobs: Sequence) -> None:
    net.eval()
    items, events, weight = histories([[3, 1], [4]], 3)
    weight[0, 2] = 0.25
    vectors = net.items()
    states = net.transformer(vectors, items, events)
    total = torch.zeros(())
    for row, place, item, share in ((0, 0, 3, 1.0), (0, 1, 1, 0.25), (1, 0, 4, 1.0)):
        logits = states[row, place] @ vectors[1:].T / knobs.temperature
        total = total - share * torch.log_softmax(logits, dim=0)[item - 1]
    torch.testing.assert_close(net.loss(items, events, weight), total / 2.25)


def test_padding_does_not_change_the_loss(net: Net) -> None:
    net.eval()
    rows = [[3, 1, 2], [4]]
    torch.testing.assert_close(net.loss(*histories(rows, 4)), net.loss(*histories(rows, 7)))


def test_every_weight_learns_except_the_own_vector_of_an_unsold_item(net: Net) -> None:
    net.train()
    net.loss(*histories([[2, 3, 4, 5, 6, 7, 8], [9, 10, 11, 2]], 9)).backward()
    for name, weight in net.named_parameters():
        assert weight.grad is not None, name
        assert weight.grad.abs().sum() > 0, name
    assert not net.items.own.weight.grad[:2].any()


@pytest.mark.parametrize("threads", [1, 2])
def test_gradients_are_the_same_bits_each_time(net: Net, threads: int) -> None:
    """The same item many times in one batch: its gradient is a sum whose order must not depend on threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        batch = histories([[2, 3, 2, 3, 2, 3, 2]] * 512, 8)
        seen = []
        for _ in range(4):
            net.zero_grad()
            torch.manual_seed(1)
            net.loss(*batch).backward()
            seen.append(torch.cat([p.grad.flatten() for p in net.parameters()]))
        assert all(torch.equal(seen[0], other) for other in seen[1:])
    finally:
        torch.set_num_threads(before)


def test_the_newest_state_alone_is_the_one_of_all_places(knobs: Sequence) -> None:
    deep = knobs.model_copy(update={"blocks": 3, "dim": 16, "heads": 4})
    torch.manual_seed(0)
    transformer = Transformer(deep).eval()
    vectors = torch.nn.functional.normalize(torch.randn(N, 16), dim=1)
    items, events, _ = histories([[1, 2, 3, 4, 5], [6], []], 6)
    place = torch.tensor([5, 1, 0])
    everything = transformer(vectors, items, events)[torch.arange(3), place]
    torch.testing.assert_close(transformer.newest(vectors, items, events, place), everything, rtol=0, atol=1e-6)


def test_of_a_large_catalogue_the_softmax_sees_targets_and_drawn_items(net: Net, knobs: Sequence) -> None:
    net.params = knobs.model_copy(update={"softmax_items": 4})
    targets = torch.tensor([3, 3, 7])
    chosen, bias = net._softmax_over(targets, N)
    assert chosen is not None
    assert len(chosen) == len(set(chosen.tolist())) == 2 + 4
    assert 0 not in chosen
    assert {3, 7} <= set(chosen.tolist())
    stands_for = bias.exp().tolist()  # 9 others, 4 drawn: each stands for 9 / 4 of them
    assert stands_for == pytest.approx([1.0 if int(i) in (3, 7) else 9 / 4 for i in chosen])


def test_the_sampled_softmax_estimates_the_full_one(net: Net, knobs: Sequence) -> None:
    net.eval()
    batch = histories([[2, 3], [4]], 3)
    full = float(net.loss(*batch).detach())
    net.params = knobs.model_copy(update={"softmax_items": 5})
    drawn = []
    for seed in range(300):
        torch.manual_seed(seed)
        drawn.append(float(net.loss(*batch).detach()))
    assert torch.tensor(drawn).std() > 0.01
    assert sum(drawn) / len(drawn) == pytest.approx(full, rel=0.03)
