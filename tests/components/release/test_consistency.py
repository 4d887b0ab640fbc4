"""Whether alias and ledger agree, and what is said where they do not."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from components.errors import ReleaseError
from components.params import Params
from components.release.consistency import find_disagreement
from components.release.ledger import Ledger
from components.release.promotion import promote, rollback
from components.release.registry import Registry
from components.release.status import read_status
from components.settings import Settings
from tests.components.release.support import promote_each, register_in, remade, write_decision

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


def test_a_registry_that_begins_anew_is_not_followed_by_a_first_champion(
    registered: Registered,
    decide: Callable[..., Path],
    params: Params,
    bundle: Path,
    run_folder: Path,
    tmp_path: Path,
) -> None:
    """--bootstrap would replace what served without a comparison; to begin anew, the ledger is renamed."""
    promote_each(registered, decide, 2)
    settings = Settings(home=tmp_path / "home").resolved(tmp_path)  # all but the registry's files
    shutil.copytree(registered[1].home / "shops", settings.home / "shops")
    anew = Registry(settings, params.release)
    number = register_in(anew, remade(bundle, tmp_path / "another", "another"), run_folder)
    first = write_decision(tmp_path / "decision.json", anew, number, bootstrap=True, champion=None)
    message = r"version 2 .* serves since .*rename shops/carousel/ledger\.db below CAROUSEL_HOME"
    with pytest.raises(ReleaseError, match=message):
        promote(first, anew, settings)
    assert anew.alias("champion") is None
    (settings.shop(anew.name) / "ledger.db").rename(tmp_path / "ledger.old.db")
    assert promote(first, anew, settings).version == number


def test_versions_that_were_deleted_by_hand_are_no_vanished_registry(
    registered: Registered, decide: Callable[..., Path]
) -> None:
    registry, _ = registered
    promote_each(registered, decide, 1)
    registry.connection.client.delete_model_version(registry.name, "1")
    assert look(registered) is None
