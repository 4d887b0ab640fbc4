"""Old names become the current ones at every depth; unknown names stay, and the reader refuses them."""

import pytest

from components import compat


def test_keys_are_renamed_at_every_depth_in_their_order(monkeypatch: pytest.MonkeyPatch) -> None:
    renamed = {"near": "ann", "near/bits": "n_bits", "checks/why": "reason", "test/*/ndcg": "ndcg_at_10"}
    monkeypatch.setitem(compat.RENAMED_KEYS, "decision", renamed)
    old = {
        "near": {"bits": 8, "other": 1},
        "checks": [{"why": "a"}, {"why": "b"}],
        "test": {"als": {"ndcg": 1.0}, "ease": {"ndcg": 2.0}},
        "why": "not below checks",
    }
    new = {
        "ann": {"n_bits": 8, "other": 1},
        "checks": [{"reason": "a"}, {"reason": "b"}],
        "test": {"als": {"ndcg_at_10": 1.0}, "ease": {"ndcg_at_10": 2.0}},
        "why": "not below checks",
    }
    assert compat.translate("decision", old) == new
    assert list(compat.translate("decision", old)) == list(new)
    assert compat.translate("decision", new) == new
    assert "near" in old


def test_a_key_under_both_names_is_left_for_the_reader_to_refuse(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(compat.RENAMED_KEYS, "drift", {"old": "new"})
    assert compat.translate("drift", {"old": 1, "new": 2}) == {"old": 1, "new": 2}


def test_values_are_renamed_below_the_new_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(compat.RENAMED_KEYS, "experiment_decision", {"says": "verdict"})
    monkeypatch.setitem(
        compat.RENAMED_VALUES, "experiment_decision", {"verdict": {"bad": "worse"}, "arms/x": {"a": "b"}}
    )
    old = {"says": "bad", "note": "bad", "arms": [{"x": "a"}, {"x": None}]}
    new = {"verdict": "worse", "note": "bad", "arms": [{"x": "b"}, {"x": None}]}
    assert compat.translate("experiment_decision", old) == new
    assert compat.has_renames("experiment_decision")


def test_a_key_that_was_added_has_the_value_by_which_earlier_versions_behaved(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(compat.ADDED_KEYS, "drift", {"limits/steps": 9})
    assert compat.translate("drift", {"limits": {"epochs": 3}}) == {"limits": {"epochs": 3, "steps": 9}}
    assert compat.translate("drift", {"limits": {"steps": 4}}) == {"limits": {"steps": 4}}
    assert compat.translate("drift", {"other": 1}) == {"other": 1}
    assert compat.has_renames("drift")


def test_an_undefined_kind_is_an_error() -> None:
    with pytest.raises(KeyError):
        compat.translate("no such kind", {})


@pytest.mark.parametrize("kind", compat.RENAMED_KEYS)
def test_no_row_renames_to_a_name_that_another_row_renames(kind: str) -> None:
    """Each row gives the current name in one step, so the order of rows does not matter."""
    rows = compat.RENAMED_KEYS[kind]
    siblings = [(path.rpartition("/")[0], new) for path, new in rows.items()]
    assert not {f"{parent}/{new}".lstrip("/") for parent, new in siblings} & set(rows)
    assert set(compat.RENAMED_VALUES) <= set(compat.RENAMED_KEYS)
