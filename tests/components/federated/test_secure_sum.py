"""The protocol as a whole: what is summed when members drop out, and what the coordinator sees."""

import re

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from components.errors import ContractError
from components.federated.messages import Message
from components.federated.secure_sum import secure_sum
from components.federated.sum_member import STEPS, SumPolicy
from tests.components.federated.support import LocalChannel, make_members, plan

NAMES = [f"shop-{n}" for n in range(10)]


def values_of(size: int = 30) -> dict[str, NDArray[np.float64]]:
    rng = np.random.default_rng(1)
    return {name: rng.normal(0, 1000, size) for name in NAMES}


@pytest.mark.parametrize(
    ("drops", "summed"),
    [
        ({}, NAMES),
        ({"keys": NAMES[:2]}, NAMES[2:]),
        ({"shares": NAMES[:2]}, NAMES[2:]),
        ({"masked": NAMES[:2]}, NAMES[2:]),
        ({"confirm": NAMES[:2]}, NAMES),
        ({"unmask": NAMES[:2]}, NAMES),
        ({"masked": NAMES[:2], "unmask": NAMES[5:7]}, NAMES[2:]),
        ({"masked": NAMES[3:5], "confirm": NAMES[8:]}, [*NAMES[:3], *NAMES[5:]]),
    ],
)
def test_the_sum_is_that_of_the_members_that_sent_values(drops: dict[str, list[str]], summed: list[str]) -> None:
    """20 % of the members drop out before each step, or before two of them."""
    values = values_of()
    outcome = secure_sum(LocalChannel(make_members(values), drops), plan(30), NAMES)
    assert outcome.summed == tuple(summed)
    expected = np.sum([values[name] for name in summed], axis=0)
    np.testing.assert_allclose(outcome.total, expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize("step", STEPS)
def test_a_sum_with_too_few_members_fails_and_says_so(step: str) -> None:
    policy = SumPolicy(0.6, 6)
    channel = LocalChannel(make_members(values_of(), policy), {step: NAMES[:5]})
    with pytest.raises(ContractError, match=r"expected .* of 6 members or more, got 5"):
        secure_sum(channel, plan(30, policy), NAMES)


def test_a_member_with_values_of_another_shape_is_left_out() -> None:
    values = values_of() | {"shop-4": np.zeros(7)}
    outcome = secure_sum(LocalChannel(make_members(values)), plan(30), NAMES)
    assert outcome.summed == tuple(name for name in NAMES if name != "shop-4")


def test_wrong_shares_are_found_out() -> None:
    """Every member gives a wrong share of one seed: the sum fails, it is not silently wrong."""

    class Wrong(LocalChannel):
        def ask(self, step: str, requests: dict[str, Message]) -> dict[str, Message]:
            answers = super().ask(step, requests)
            for answer in answers.values():
                if step == "unmask":
                    answer.fields["own"]["shop-3"] = "00" * 16
            return answers

    with pytest.raises(ContractError, match="the shares of shop-3 do not restore"):
        secure_sum(Wrong(make_members(values_of())), plan(30), NAMES)


def masked_values(channel: LocalChannel, name: str) -> NDArray[np.uint64]:
    found = [
        message.arrays["masked"] for step, sender, message in channel.transcript if (step, sender) == ("masked", name)
    ]
    return found[0]


def uniformity(words: NDArray[np.uint64]) -> float:
    """Return the p-value of the hypothesis that the bytes are uniform."""
    return float(stats.chisquare(np.bincount(words.view(np.uint8), minlength=256)).pvalue)


def test_what_the_coordinator_gets_of_one_member_says_nothing_of_its_values() -> None:
    """Masked values are uniform modulo 2^64 whatever is masked, and unrelated to it; bare values are not uniform."""
    size = 20_000
    rng = np.random.default_rng(2)
    inputs = {"zeros": np.zeros(size), "counts": rng.poisson(3, size).astype(float), "large": np.full(size, 1e8)}
    seen = {}
    for kind, own in inputs.items():
        values = {name: np.zeros(size) for name in NAMES[:4]} | {"shop-0": own}
        channel = LocalChannel(make_members(values, seed=kind))
        secure_sum(channel, plan(size), NAMES[:4])
        seen[kind] = masked_values(channel, "shop-0")
        assert uniformity(seen[kind]) > 1e-3, kind
        assert stats.kstest(seen[kind] / 2.0**64, "uniform").pvalue > 1e-3, kind
        assert uniformity(np.rint(own * 2**32).astype(np.int64).view(np.uint64)) < 1e-12, kind
    assert stats.ks_2samp(seen["zeros"], seen["large"]).pvalue > 1e-3
    assert stats.spearmanr(seen["counts"], inputs["counts"]).pvalue > 1e-3
    # the masks of the other members do not give it away either: the sum over all but one of them stays uniform
    partial = np.sum([masked_values(channel, name) for name in NAMES[:3]], axis=0, dtype=np.uint64)
    assert uniformity(partial) > 1e-3


def test_all_that_a_member_sends_besides_has_the_same_form_for_all_values() -> None:
    """Keys, sealed shares, signatures and revealed shares do not depend on the values, not even by their length."""

    def rest(own: NDArray[np.float64]) -> list[tuple[str, str]]:
        values = {name: np.zeros(30) for name in NAMES[:4]} | {"shop-0": own}
        channel = LocalChannel(make_members(values), {"masked": ["shop-3"]})
        secure_sum(channel, plan(30), NAMES[:4])
        sent = [(step, str(message.fields)) for step, name, message in channel.transcript if name == "shop-0"]
        return [(step, re.sub("[0-9a-f]{16,}", lambda m: str(len(m[0])), text)) for step, text in sent]

    assert rest(np.zeros(30)) == rest(np.full(30, 1e7))
    assert [step for step, _ in rest(np.zeros(30))] == list(STEPS)
