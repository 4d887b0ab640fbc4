"""Rollbacks restore the version that served before, by the ledger, even after deletions or moved aliases."""

import pytest

from components.errors import ReleaseError, StaleDecisionError
from components.release.promotion import promote, rollback
from tests.components.release.support import Decide, Registered, aliases, promote_each


def test_repeated_rollbacks_go_further_back(registered: Registered, decide: Decide) -> None:
    registry, settings = registered
    promote_each(registered, decide, 1, 2, 3)
    back = rollback(registry, settings)
    assert (back.version, back.previous, back.action, back.decision_digest) == (2, 1, "rollback", None)
    assert aliases(registry) == (2, 1)
    assert rollback(registry, settings).version == 1
    assert aliases(registry) == (1, None)
    with pytest.raises(ReleaseError, match="nothing to roll back to"):
        rollback(registry, settings)
    promote_each(registered, decide, 4)
    assert aliases(registry) == (4, 1)
    assert rollback(registry, settings).version == 1


def test_rollback_to_a_version(registered: Registered, decide: Decide) -> None:
    registry, settings = registered
    promote_each(registered, decide, 1, 2, 3)
    assert rollback(registry, settings, to=1).version == 1
    assert rollback(registry, settings, to=3).version == 3
    assert aliases(registry) == (3, 1)
    with pytest.raises(ReleaseError, match="version 4 never served"):
        rollback(registry, settings, to=4)
    with pytest.raises(ReleaseError, match="serves already"):
        rollback(registry, settings, to=3)
    assert aliases(registry) == (3, 1)


def test_rollback_skips_a_deleted_version(registered: Registered, decide: Decide) -> None:
    registry, settings = registered
    promote_each(registered, decide, 1, 2, 3)
    registry.connection.client.delete_model_version(registry.name, "2")
    assert rollback(registry, settings).version == 1


def test_a_decision_taken_before_a_rollback_is_stale_after_it(registered: Registered, decide: Decide) -> None:
    promote_each(registered, decide, 1, 2)
    decision = decide(3)
    rollback(*registered)
    with pytest.raises(StaleDecisionError):
        promote(decision, *registered)


def test_a_rolled_back_version_serves_again_only_by_rollback_to(registered: Registered, decide: Decide) -> None:
    registry, settings = registered
    promote_each(registered, decide, 1)
    decision = decide(2)
    promote(decision, registry, settings)
    rollback(registry, settings)
    for again in (decision, decide(2)):
        with pytest.raises(ReleaseError, match=r"version 2 was rolled back at .*rollback --to 2"):
            promote(again, registry, settings)
    assert aliases(registry) == (1, None)
    assert rollback(registry, settings, to=2).version == 2
    promote_each(registered, decide, 3)
    assert aliases(registry) == (3, 2)


def test_rollback_without_deployments_is_an_error(registered: Registered) -> None:
    with pytest.raises(ReleaseError, match="nothing to roll back to"):
        rollback(*registered)


def test_an_alias_moved_by_hand_blocks_promotions_until_a_rollback(registered: Registered, decide: Decide) -> None:
    registry, settings = registered
    promote_each(registered, decide, 1, 2)
    registry.move("champion", 1)
    with pytest.raises(ReleaseError, match=r"ledger says that version 2 serves.*moved by hand"):
        promote(decide(3), registry, settings)
    assert rollback(registry, settings, to=1).version == 1
    assert promote(decide(3), registry, settings).version == 3
    assert aliases(registry) == (3, 1)


def test_after_the_champion_is_deleted_no_first_promotion_is_possible(registered: Registered, decide: Decide) -> None:
    """Deleting a version deletes its alias: the ledger still records that a version served."""
    registry, settings = registered
    promote_each(registered, decide, 1, 2)
    registry.connection.client.delete_model_version(registry.name, "2")
    assert registry.alias("champion") is None
    with pytest.raises(ReleaseError, match="moved by hand"):
        promote(decide(3), registry, settings)
    assert rollback(registry, settings).version == 1
    assert aliases(registry) == (1, None)
    assert promote(decide(3), registry, settings).version == 3


def test_rollback_fails_when_all_served_versions_are_deleted(registered: Registered, decide: Decide) -> None:
    registry, settings = registered
    promote_each(registered, decide, 1)
    registry.connection.client.delete_model_version(registry.name, "1")
    with pytest.raises(ReleaseError, match="nothing to roll back to"):
        rollback(registry, settings)
    assert promote(decide(2), registry, settings).version == 2
