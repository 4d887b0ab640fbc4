"""Whether alias and ledger agree, and what is said where they do not."""

import shutil
from collections.abc import Callable
from pathlib import Path

from components.params import Params
from components.release.consistency import find_disagreement
from components.release.ledger import Ledger
from components.release.promotion import rollback
from components.release.registry import Registry
from components.release.status import read_status
from components.settings import Settings
from tests.components.release.support import promote_each

Registered = tuple[Registry, Settings]


def look(registered: Registered) -> str | None:
    registry, settings = registered
    return find_disagreement(Ledger(settings.shop(registry.name)), registry)


def test_an_empty_ledger_agrees_with_any_alias(registered: Registered) -> None:
    assert look(registered) is None
    registered[0].move("champion", 1)
    assert look(registered) is None  # promoted from another machine


def test_an_alias_moved_by_hand_is_said_until_a_rollback(registered: Registered, decide: Callable[..., Path]) -> None:
    registry, settings = registered
    promote_each(registered, decide, 1, 2)
    assert look(registered) is None
    registry.move("champion", 3)
    text = look(registered) or ""
    assert text.startswith("the alias champion says version 3 (")
    assert "the ledger says that version 2 serves" in text
    registry.move("champion", None)
    assert (look(registered) or "").startswith("the alias champion says no champion, the ledger says that version 2")
    rollback(registry, settings, to=2)
    assert look(registered) is None


def test_an_open_promotion_is_left_to_the_next_call(registered: Registered, decide: Callable[..., Path]) -> None:
    registry, settings = registered
    promote_each(registered, decide, 1)
    Ledger(settings.shop(registry.name)).begin("promote", 2, 1, "ab" * 32, None)
    registry.move("champion", 2)
    assert look(registered) is None


def test_a_vanished_registry_is_said_by_status(
    registered: Registered, decide: Callable[..., Path], params: Params
) -> None:
    settings = registered[1]
    promote_each(registered, decide, 1)
    assert read_status(settings, params.release).disagreement is None
    for file in settings.home.glob("mlflow*"):
        shutil.rmtree(file) if file.is_dir() else file.unlink()
    found = read_status(settings, params.release)
    assert found.champion is None
    assert "the ledger says that version 1" in (found.disagreement or "")
    assert "restore the registry" in (found.disagreement or "")
    assert not (settings.home / "mlflow.db").exists()  # reading makes none
