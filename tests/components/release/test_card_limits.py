"""Limits on a card follow from the numbers."""

from components.contracts import Evaluation, Interval, SliceRow
from components.release.card_limits import find_limits

PRIMARY = "ndcg_at_10"


def evaluation(slices: list[SliceRow], n_users: int = 500, coverage: float = 0.5) -> Evaluation:
    return Evaluation(
        as_of="2026-03-01",
        protocol="global_time",
        window=("2026-02-15T00:00:00+00:00", "2026-03-01T00:00:00+00:00"),
        simulated=False,
        n_users=n_users,
        n_items=100,
        primary=PRIMARY,
        challenger="ease",
        baselines=["popularity"],
        champion=None,
        champion_saw_test=False,
        validation={},
        test={"ease": {PRIMARY: 0.2, "coverage_at_10": coverage}, "popularity": {PRIMARY: 0.1}},
        slices=slices,
        overfit_gap={"ease": 0.0},
        best_simple="popularity",
    )


def row(name: str, model: str, value: float, n_users: int = 100) -> SliceRow:
    return SliceRow(slice=name, model=model, n_users=n_users, metrics={PRIMARY: value})


def test_limits_follow_from_the_numbers() -> None:
    slices = [
        row("user:cold", "ease", 0.05), row("user:cold", "popularity", 0.02), row("user:warm", "ease", 0.3),
        row("item:cold", "ease", 0.15), row("item:cold", "popularity", 0.18), row("language:zh", "ease", 0.2, 3),
    ]  # fmt: skip
    found = find_limits(
        evaluation(slices, 50, 0.01), "ease", "popularity", Interval(gain=0.1, low=-0.1, high=0.3, n_users=50), 30, 100
    )
    text = "\n".join(found)
    assert "Few users: 50" in text
    assert "Weak slice user:cold: ndcg_at_10 0.0500 against 0.2000" in text
    assert "In slice item:cold, popularity is better: 0.1800 against 0.1500" in text
    assert "Slice language:zh has 3 users" in text
    assert "the interval -0.1000 to +0.3000 contains 0" in text
    assert "hold 1.0% of the products" in text
    assert "30 of 100 products have no text" in text


def test_a_sound_model_has_only_what_is_not_known() -> None:
    found = find_limits(
        evaluation([row("item:cold", "ease", 0.2)]),
        "ease",
        "popularity",
        Interval(gain=0.1, low=0.05, high=0.15, n_users=500),
        0,
        100,
    )
    assert len(found) == 3
    assert "One test window of 14 day(s)" in found[0]
    assert "AUC 0.97 on a small simulated shop" in found[1]
    assert "not known before a test" in found[2]


def test_the_level_of_lists_before_each_event_is_another_and_no_weakness() -> None:
    slices = [row("next_event", "ease", 0.05), row("next_event", "popularity", 0.02), row("item:cold", "ease", 0.2)]
    found = find_limits(
        evaluation(slices), "ease", "popularity", Interval(gain=0.1, low=0.05, high=0.2, n_users=500), 0, 9
    )
    assert "next_event" not in "".join(found)
    slices[1] = row("next_event", "popularity", 0.07)
    found = find_limits(
        evaluation(slices), "ease", "popularity", Interval(gain=0.1, low=0.05, high=0.2, n_users=500), 0, 9
    )
    assert "In slice next_event, popularity is better: 0.0700 against 0.0500." in found


def test_where_lists_before_each_event_decide_slices_are_held_against_frozen_histories() -> None:
    slices = [row("all", "ease", 0.05), row("item:cold", "ease", 0.04)]
    gain = Interval(gain=0.1, low=0.05, high=0.2, n_users=500)
    assert "Weak" not in "".join(find_limits(evaluation(slices), "ease", "popularity", gain, 0, 9))
    slices[1] = row("item:cold", "ease", 0.001)
    found = find_limits(evaluation(slices), "ease", "popularity", gain, 0, 9)
    assert "Weak slice item:cold: ndcg_at_10 0.0010 against 0.0500 of all (100 users)." in found


def test_that_membership_can_be_inferred_is_said_where_it_was_measured_and_no_noise_protects() -> None:
    def says(model: str, private: bool = False) -> bool:
        measured = evaluation([])
        measured = measured.model_copy(update={"test": measured.test | {model: measured.test["ease"]}})
        found = find_limits(measured, model, "popularity", None, 0, 100, private)
        return any("whether the model learned from the user: AUC" in limit for limit in found)

    assert says("ease")
    assert not says("ease", private=True)
    assert not says("buy_again")
