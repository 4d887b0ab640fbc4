"""What all parts of a version have spent of the budget of privacy: composed, refused above it, and on the card."""

from pathlib import Path

import pytest

from components.errors import ContractError
from components.params import Params, load
from components.privacy.accounting import Mechanism, spent_epsilon, write_mechanisms
from components.release.card_limits import describe_spending
from components.stages.package import read_spending
from tests.support import ROOT

SUMS = Mechanism(name="sums", noise_multiplier=4.0, sample_rate=1.0, steps=3)
STEPS = Mechanism(name="sequence", noise_multiplier=1.5, sample_rate=0.05, steps=400)


def private(epsilon: str) -> Params:
    return load(ROOT / "params.yaml", [], [f"privacy.epsilon={epsilon}"])


def test_all_parts_are_composed_and_more_than_the_budget_is_refused(tmp_path: Path) -> None:
    for name, mechanism in (("simple", SUMS), ("sequence", STEPS)):
        (tmp_path / "models" / name).mkdir(parents=True)
        write_mechanisms(tmp_path / "models" / name, [mechanism])
    assert read_spending(tmp_path, private("null")) is None
    found = read_spending(tmp_path, private("8"))
    assert found is not None
    assert found.epsilon == pytest.approx(spent_epsilon([SUMS, STEPS], 1e-5), abs=1e-3)
    assert [one.name for one in found.mechanisms] == ["sums", "sequence"]
    about = describe_spending(found)
    assert "unit is all events of one user; accountant: PRV (opacus)" in about
    assert "| sequence | 1.500 | 0.05 | 400 |" in about
    with pytest.raises(ContractError, match=r"spent, and privacy\.epsilon is 1"):
        read_spending(tmp_path, private("1"))
