"""Versions in use, kept by name, compared with, and the newest stay; a registry that is not the ledger's stops it."""

import json
from pathlib import Path

import pytest

from components.errors import ReleaseError
from components.experiments.definition import Experiment, start_experiment
from components.release import retention
from components.release.ledger import Ledger
from components.release.promotion import promote
from components.release.registry import Registry
from components.release.retention import keep_version, list_versions, plan_retention
from components.settings import Settings
from tests.components.release.support import Decide, Register, Registered, aliases, promote_each


@pytest.fixture(autouse=True)
def _no_comparisons(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no version be compared with another: `registered` shares the files of its versions between tests."""
    if "registered" in request.fixturenames:
        monkeypatch.setattr(retention, "_compared_with", lambda *_: None)


def test_the_newest_and_the_challenger_stay(registered: Registered) -> None:
    plan = plan_retention(*registered, keep_versions=2)
    assert plan.remove == [1, 2]
    assert plan.keep == {3: "among the newest", 4: "challenger"}


def test_champion_and_previous_stay(registered: Registered, decide: Decide) -> None:
    promote_each(registered, decide, 1, 2)
    assert aliases(registered[0]) == (2, 1)
    plan = plan_retention(*registered, keep_versions=1)
    assert plan.keep == {1: "previous", 2: "champion", 4: "challenger"}
    assert plan.remove == [3]


def test_a_version_that_served_before_the_previous_one_goes(registered: Registered, decide: Decide) -> None:
    promote_each(registered, decide, 1, 2, 3, 4)
    plan = plan_retention(*registered, keep_versions=1)
    assert 1 in plan.remove
    assert {3, 4} <= set(plan.keep)
    assert plan.keep[4] == "champion"  # it is the challenger, too


def test_the_target_of_a_rollback_stays_without_its_alias(registered: Registered, decide: Decide) -> None:
    promote_each(registered, decide, 1, 2)
    registered[0].move("previous", None)
    assert plan_retention(*registered, keep_versions=1).keep[1] == "serves, or would after a rollback"


def test_a_version_kept_by_name_stays_until_it_is_released(registered: Registered) -> None:
    keep_version(registered[0], 1)
    assert plan_retention(*registered, keep_versions=1).keep == {1: "kept by name", 4: "challenger"}
    keep_version(registered[0], 1, keep=False)
    assert plan_retention(*registered, keep_versions=1).remove == [1, 2, 3]
    with pytest.raises(ReleaseError, match="version 9"):
        keep_version(registered[0], 9)


def test_arms_of_a_running_experiment_stay(registered: Registered, experiment: Experiment) -> None:
    registry, settings = registered
    start_experiment(settings.shop(registry.name) / "experiments", experiment)
    plan = plan_retention(registry, settings, keep_versions=1)
    assert plan.keep == {1: "experiment spring", 2: "experiment spring", 4: "challenger"}


def test_the_version_of_an_interrupted_promotion_stays(registered: Registered) -> None:
    registry, settings = registered
    Ledger(settings.shop(registry.name)).begin("promote", 2, None, registry.digests()[2], "d")
    assert plan_retention(registry, settings, keep_versions=1).keep[2] == "its promotion was interrupted"


def test_the_champion_that_a_version_was_compared_with_stays(
    registry: Registry, settings: Settings, register: Register, tmp_path: Path
) -> None:
    for mark in "abcd":
        register(mark)
    file = tmp_path / "evaluation.json"
    for number, champion in ((4, 2), (2, 1)):
        file.write_text(json.dumps({"champion": {"version": champion, "digest": "d", "model": "ease"}}))
        registry.attach(number, file, "reports/evaluate")
    plan = plan_retention(registry, settings, keep_versions=1)
    assert plan.keep == {2: "version 4 was compared with it", 4: "challenger"}  # not the champion of that champion
    assert plan.remove == [1, 3]


def test_a_version_of_unknown_origin_stays(registered: Registered) -> None:
    registry = registered[0]
    run = list_versions(registry, registry.name)[0].run_id
    registry.connection.client.create_model_version(registry.name, "file:///elsewhere", run)
    assert plan_retention(*registered, keep_versions=1).keep[5] == "not registered by Carousel"


def test_nothing_goes_where_the_registry_is_not_the_ledgers(registered: Registered, decide: Decide) -> None:
    registry, settings = registered
    promote(decide(1), registry, settings)
    registry.connection.client.delete_model_version(registry.name, "1")
    with pytest.raises(ReleaseError, match=r"version 1 of carousel serves.*CAROUSEL_TRACKING_URI"):
        plan_retention(registry, settings, keep_versions=1)


def test_versions_are_listed_over_all_pages(registered: Registered, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("components.release.retention.PAGE", 2)
    assert [row.number for row in list_versions(registered[0], "carousel")] == [1, 2, 3, 4]
    assert [row.number for row in list_versions(registered[0], None)] == [1, 2, 3, 4]
    assert list_versions(registered[0], "another") == []
