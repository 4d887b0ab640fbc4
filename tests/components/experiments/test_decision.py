"""From what was shown and what happened to a verdict."""

import numpy as np
import pytest

from components.experiments.decision import decide
from components.experiments.definition import Experiment
from components.experiments.outcomes import Outcomes
from components.times import DAY_US, to_micros

from .conftest import START

T0 = to_micros(START)


def outcomes(n: int, chances: tuple[float, float], shares: tuple[float, float] = (0.5, 0.5)) -> Outcomes:
    rng = np.random.default_rng(5)
    arm = rng.choice(2, n, p=shares).astype(np.int64)
    done = T0 + np.sort(rng.integers(DAY_US, 20 * DAY_US, n))
    return Outcomes(
        arm, rng.binomial(1, np.array(chances)[arm]).astype(float), rng.poisson(2, n).astype(float), done, 3, 0
    )


@pytest.mark.parametrize(
    ("told", "verdict"),
    [
        (outcomes(4000, (0.1, 0.2)), "better"),
        (outcomes(4000, (0.2, 0.1)), "worse"),
        (outcomes(4000, (0.1, 0.1)), "no difference shown"),
        (outcomes(60, (0.1, 0.9)), "not enough evidence"),
        (outcomes(4000, (0.1, 0.2), (0.4, 0.6)), "broken ratio"),
        (outcomes(0, (0.1, 0.1)), "not enough evidence"),
    ],
)
def test_verdicts(experiment: Experiment, told: Outcomes, verdict: str) -> None:
    decision = decide(experiment, told, START)
    assert decision.verdict == verdict
    assert decision.reasons
    assert [arm.version for arm in decision.arms] == [1, 2]
    assert type(decision).model_validate_json(decision.model_dump_json()) == decision
