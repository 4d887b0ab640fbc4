"""The network: the events that a position depends on, and the parts of an item's vector."""

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from components.contracts import EVENTS
from components.params import Params, SequenceParams
from components.recommenders.sequence.model import START, Items, Net, Transformer
from components.recommenders.sequence.packed import Packed, last_positions
from components.recommenders.sequence.profile import WIDTH

N = 12  # rows of the table: 11 items and no item


@pytest.fixture
def knobs(params: Params) -> SequenceParams:
    return params.models.sequence


@pytest.fixture
def net(knobs: SequenceParams) -> Net:
    torch.manual_seed(0)
    text = torch.nn.functional.normalize(torch.randn(N, 6), dim=1)
    evidence = torch.tensor([0.0, 0.0, *range(1, N - 1)])  # item 1 was never sold
    codes = torch.tensor([[0, 0], [1, 0], *[[1, 2]] * (N - 2)])
    return Net(Items(text, codes, 3, evidence, knobs), Transformer(knobs), knobs)


def so_far(row: list[int]) -> list[float]:
    """Return a made-up profile of a history: its length, then zeros."""
    return [float(len(row)), *[0.0] * (WIDTH - 1)]


def histories(rows: list[list[int]], older: list[list[int]] | None = None) -> Packed:
    """Pack rows of ascending length, all bought in the same minute; `older` holds their summarised events."""
    before = older or [[] for _ in rows]
    lengths = [len(row) + 1 for row in rows]
    return Packed(
        torch.tensor([i for row in rows for i in (0, *row)]),
        torch.tensor([e for row in rows for e in (START, *[2] * len(row))]),
        torch.tensor([p for length in lengths for p in range(length)]),
        torch.tensor([min(p, 1) for length in lengths for p in range(length)]),
        torch.tensor([so_far(row[:position]) for row in rows for position in range(len(row) + 1)]),
        torch.tensor([i for row in before for i in row], dtype=torch.long),
        torch.tensor([sum(map(len, before[:i])) for i in range(len(rows))]),
        tuple((lengths.count(length), length) for length in sorted(set(lengths))),
    )


def follow(rows: list[list[int]]) -> tuple[Packed, Tensor, Tensor, Tensor]:
    """Return the rows as a batch: the target of each position is the next item, carts and purchases in turn."""
    targets = torch.tensor([i for row in rows for i in row])
    kinds = 1 + torch.arange(len(targets)) % 2
    return histories([row[:-1] for row in rows]), targets, kinds, torch.ones(len(targets))


def states_of(net: Net, packed: Packed, kind: int = 2) -> Tensor:
    """Return the unit state at each position under the head of one kind of event."""
    return net.transformer(net.items(), packed, torch.full_like(packed.items, kind))


def test_the_future_does_not_change_past_states(net: Net) -> None:
    net.eval()
    one, two = (states_of(net, histories([row])) for row in ([1, 2, 3, 4, 5], [1, 2, 3, 9, 8]))
    torch.testing.assert_close(one[:4], two[:4], rtol=0, atol=1e-6)
    assert (one[4] - two[4]).norm() > 1e-3


def test_states_do_not_depend_on_other_segments_of_the_batch(net: Net) -> None:
    net.eval()
    rows = [[], [7, 2], [3, 1], [4, 5, 6, 7, 8]]
    packed = states_of(net, histories(rows))
    alone = torch.cat([states_of(net, histories([row])) for row in rows])
    torch.testing.assert_close(packed, alone, rtol=0, atol=1e-6)


def test_states_depend_on_order_kind_and_time_of_events(net: Net) -> None:
    net.eval()
    packed = histories([[1, 2], [2, 1], [1, 2], [1, 2]])
    packed.events[8] = 0  # a view instead of a purchase
    packed.gaps[11] = 9  # days later
    states = states_of(net, packed)[last_positions(packed.groups)]
    for other in states[1:]:
        assert (states[0] - other).norm() > 1e-3


def test_summarised_events_affect_their_own_segment_only(net: Net) -> None:
    net.eval()
    plain = states_of(net, histories([[1], [1], [1]]))
    summarised = states_of(net, histories([[1], [1], [1]], [[], [5, 6], []]))
    changed = (plain - summarised).norm(dim=1) > 1e-3
    assert changed.tolist() == [False, False, True, True, False, False]
    mean = states_of(net, histories([[1], [1], [1]], [[], [5, 6, 6, 5], []]))
    torch.testing.assert_close(mean, summarised, rtol=0, atol=1e-6)


def test_states_and_vectors_are_unit_and_no_item_is_zero(net: Net) -> None:
    vectors = net.items()
    states = states_of(net, histories([[], [1, 2]]))
    assert not vectors[0].any()
    torch.testing.assert_close(vectors[1:].norm(dim=1), torch.ones(N - 1))
    torch.testing.assert_close(states.norm(dim=-1), torch.ones(4))


def test_the_weight_of_the_id_vector_grows_with_evidence(net: Net, knobs: SequenceParams) -> None:
    with torch.no_grad():
        known = net.items.project(net.items.text) + net.items.attribute(net.items.codes)
        text_only = torch.nn.functional.normalize(known, dim=1)
        turned = net.items()
        likeness = (turned * text_only).sum(dim=1)
    torch.testing.assert_close(turned[1], text_only[1])  # never sold: text and attributes only
    assert (likeness[2:] < 0.9999).all()
    half = net.items.fade[:, 0] * (torch.tensor([0.0, 0.0, *range(1, N - 1)]) + knobs.id_evidence)
    torch.testing.assert_close(half, torch.tensor([0.0, 0.0, *range(1, N - 1)]))


def test_attributes_are_part_of_a_vector_and_none_is_zero(net: Net) -> None:
    with torch.no_grad():
        before = net.items()
        net.items.attribute.weight[2] += 1.0
        after = net.items()
    assert torch.equal(before[1], after[1])  # item 1 does not have it
    assert ((before[2:] - after[2:]).norm(dim=1) > 1e-3).all()
    assert not net.items.attribute.weight[0].any()


def test_vectors_of_chosen_items_are_those_of_the_whole_table(net: Net) -> None:
    chosen = torch.tensor([0, 2, 3, 7])
    torch.testing.assert_close(net.items(chosen), net.items()[chosen])


def test_loss_is_the_weighted_cross_entropy_by_hand(net: Net, knobs: SequenceParams) -> None:
    net.eval()
    packed, targets, kinds, weight = follow([[4], [3, 1]])
    weight[2] = 0.25
    vectors = net.items()
    states = net.transformer(vectors, packed, kinds)
    total = torch.zeros(())
    for position, item, share in ((0, 4, 1.0), (1, 3, 1.0), (2, 1, 0.25)):
        logits = states[position] @ vectors[1:].T / knobs.temperature
        total = total - share * torch.log_softmax(logits, dim=0)[item - 1]
    torch.testing.assert_close(net.loss(packed, targets, kinds, weight), total / 2.25)


def test_every_weight_gets_a_gradient_except_the_id_vector_of_an_unsold_item(net: Net) -> None:
    net.train()
    _, targets, kinds, weight = follow([[9, 10, 11, 2], [2, 3, 4, 5, 6, 7, 8]])
    net.loss(histories([[9, 10, 11], [2, 3, 4, 5, 6, 7]], [[], [3]]), targets, kinds, weight).backward()
    for name, weights in net.named_parameters():
        assert weights.grad is not None, name
        assert weights.grad.abs().sum() > 0, name
    assert not net.items.own.weight.grad[:2].any()


@pytest.mark.parametrize("threads", [1, 2])
def test_gradients_are_the_same_bits_each_time(net: Net, threads: int) -> None:
    """The same item many times in one batch: its gradient is a sum whose order must not depend on threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        batch = follow([[2, 3, 2, 3, 2, 3, 2]] * 512)
        seen = []
        for _ in range(4):
            net.zero_grad()
            torch.manual_seed(1)
            net.loss(*batch).backward()
            seen.append(torch.cat([p.grad.flatten() for p in net.parameters()]))
        assert all(torch.equal(seen[0], other) for other in seen[1:])
    finally:
        torch.set_num_threads(before)


def test_the_newest_state_equals_the_last_of_all_positions(knobs: SequenceParams) -> None:
    deep = knobs.model_copy(update={"blocks": 3, "dim": 16, "heads": 4})
    torch.manual_seed(0)
    transformer = Transformer(deep).eval()
    vectors = torch.nn.functional.normalize(torch.randn(N, 16), dim=1)
    packed = histories([[], [6], [7], [1, 2, 3, 4, 5]], [[], [], [2], []])
    kinds = torch.full_like(packed.items, 2)
    everything = transformer(vectors, packed, kinds)[last_positions(packed.groups)]
    newest = transformer.apply_event_head(transformer.newest(vectors, packed), kinds[:4])
    torch.testing.assert_close(newest, everything, rtol=0, atol=1e-6)


def test_the_newest_item_is_added_to_the_state_by_a_learned_weight(knobs: SequenceParams) -> None:
    torch.manual_seed(0)
    transformer = Transformer(knobs.model_copy(update={"dim": 16, "event_heads": False})).eval()
    vectors = torch.nn.functional.normalize(torch.randn(N, 16), dim=1)
    vectors[0] = 0
    packed = histories([[], [6], [1, 2, 3]], [[], [], []])

    def cosines(weight: float) -> torch.Tensor:
        with torch.no_grad():
            transformer.newest_item.fill_(weight)
            states = transformer.apply_event_head(transformer.newest(vectors, packed), torch.zeros(3, dtype=torch.long))
        return (states * vectors[[0, 6, 3]]).sum(dim=1)

    without, equal, large = (cosines(weight) for weight in (0.0, 1.0, 100.0))
    assert (equal[1:] > without[1:]).all()
    torch.testing.assert_close(large, torch.tensor([0.0, 1.0, 1.0]), rtol=0, atol=1e-3)
    assert transformer.newest_item.requires_grad


def test_each_kind_of_event_has_its_own_head(net: Net) -> None:
    """A batch of purchases changes the head of purchases only; the other layers are shared."""
    net.train()
    packed, targets, kinds, weight = follow([[2, 3, 4, 5]])
    net.loss(packed, targets, torch.full_like(kinds, 2), weight).backward()
    moved = net.transformer.heads.weight.grad.abs().sum(dim=1) > 0
    assert moved.tolist() == [event == 2 for event in range(len(EVENTS))]
    with torch.no_grad():
        net.eval()
        same = states_of(net, packed, 1)
        net.transformer.heads.weight[2] += torch.randn(same.shape[1])
    assert torch.equal(states_of(net, packed, 1), same)
    assert ((states_of(net, packed, 2) - same).norm(dim=1) > 1e-3).all()


def test_states_depend_on_the_profile(net: Net) -> None:
    net.eval()
    packed = histories([[1, 2]])
    other = packed._replace(profile=packed.profile + 1.0)
    assert ((states_of(net, packed) - states_of(net, other)).norm(dim=1) > 1e-4).all()


def test_the_softmax_of_a_large_catalogue_has_targets_and_sampled_items(net: Net, knobs: SequenceParams) -> None:
    net.params = knobs.model_copy(update={"softmax_items": 4})
    targets = torch.tensor([3, 3, 7])
    chosen, bias = net._sample_items(targets, N)
    assert chosen is not None
    assert len(chosen) == len(set(chosen.tolist())) == 2 + 4
    assert 0 not in chosen
    assert {3, 7} <= set(chosen.tolist())
    stands_for = bias.exp().tolist()  # 4 of 9 other items are drawn: each has weight 9 / 4
    assert stands_for == pytest.approx([1.0 if int(i) in (3, 7) else 9 / 4 for i in chosen])


def test_the_sampled_softmax_estimates_the_full_one(net: Net, knobs: SequenceParams) -> None:
    net.eval()
    batch = follow([[4], [2, 3]])
    full = float(net.loss(*batch).detach())
    net.params = knobs.model_copy(update={"softmax_items": 5})
    drawn = []
    for seed in range(300):
        torch.manual_seed(seed)
        drawn.append(float(net.loss(*batch).detach()))
    assert torch.tensor(drawn).std() > 0.01
    assert sum(drawn) / len(drawn) == pytest.approx(full, rel=0.03)


def test_a_modality_is_added_by_its_gate_and_what_is_missing_adds_nothing(net: Net, knobs: SequenceParams) -> None:
    plain, n = net.items, len(net.items.text)
    looks = functional.normalize(torch.randn(n, 5), dim=1)
    looks[2] = 0
    torch.manual_seed(0)
    seeing = Items(plain.text, plain.codes, 3, torch.ones(n), knobs, modalities={"picture": looks})
    torch.manual_seed(0)
    blind = Items(plain.text, plain.codes, 3, torch.ones(n), knobs)
    blind.load_state_dict({k: v for k, v in seeing.state_dict().items() if not k.startswith(("modalities", "gates"))})
    with torch.no_grad():
        assert (seeing()[2] == blind()[2]).all()
        assert (seeing()[3] - blind()[3]).abs().max() > 0.01
        seeing.gates["picture"].fill_(-100.0)
        torch.testing.assert_close(seeing(), blind())
        chosen = torch.tensor([0, 3, 4])
        seeing.gates["picture"].fill_(1.0)
        torch.testing.assert_close(seeing(chosen), seeing()[chosen])
    seeing()[3:].sum().backward()
    assert all(weight.grad is not None for weight in (seeing.gates["picture"], seeing.modalities["picture"].weight))
