"""Plots hold their numbers; without data there is none."""

import numpy as np

from components.applications.ads.policy_value import PolicyValue
from components.applications.ads.reliability import reliability
from components.applications.ads.report import draw_pacing, draw_policies, draw_reliability
from components.applications.ads.simulation import SimulatedDays


def test_reliability_has_a_dot_per_bin() -> None:
    rng = np.random.default_rng(1)
    p = rng.uniform(0, 0.5, 1000)
    svg = draw_reliability(reliability(p, (rng.random(1000) < p).astype(float)), "click")
    assert svg.count("<circle") == 10
    assert draw_reliability([], "click") == ""


def test_policies_are_shown_against_the_logging_policy() -> None:
    triple = (0.1, 0.05, 0.15)
    value = PolicyValue(policy="ours", ips=triple, snips=triple, dr=triple, gain=triple, effective_sample_size=9.0)
    svg = draw_policies({"ours": value, "logging": value})
    assert svg.count("<circle") == 1
    assert "+0.10000" in svg
    assert draw_policies({}) == ""


def test_pacing_has_a_line_per_campaign_and_the_plan() -> None:
    spent = np.full((2, 24, 3), 1.0)
    svg = draw_pacing(SimulatedDays(["a", "b", "c"], [24.0] * 3, spent, spent))
    assert svg.count('class="line') == 1 + 2 * 3
    assert draw_pacing(None) == ""
