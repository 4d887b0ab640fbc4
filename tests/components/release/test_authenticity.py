"""`promote` believes no file: only the decision that the gate recorded in the registry, whole and signed."""

import json
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from components import io
from components.contracts import Decision
from components.errors import ReleaseError, TamperedError
from components.release.authenticity import record_decision, signature, signing_keys
from components.release.promotion import promote, read_decision
from components.settings import Settings
from tests.components.release.support import Decide, Registered, aliases, promote_each, refreshed

KEY, OTHER = "k" * 32, "o" * 32
Edit = Callable[[dict[str, Any]], object]


def edited(file: Path, edit: Edit) -> Path:
    tree = json.loads(file.read_text())
    edit(tree)
    file.write_text(json.dumps(tree))
    return file


def recorded(file: Path, registered: Registered) -> Path:
    """Record the edited file's digest, as one who can write the registry would."""
    version = json.loads(file.read_text())["challenger_version"]
    registered[0].tag(version, "decision_digest", sha256(file.read_bytes()).hexdigest())
    return file


def pass_all(tree: dict[str, Any]) -> None:
    tree["verdict"] = "promote"
    for check in tree["checks"]:
        check["passed"] = True


EDITS: dict[str, Edit] = {
    "all passed": pass_all,
    "a check left out": lambda tree: tree["checks"].pop(),
    "a check renamed": lambda tree: tree["checks"][3].update(name="other"),
    "bootstrap beside a champion": lambda tree: tree.update(bootstrap=True),
    "another version": lambda tree: tree.update(challenger_version=3),
    "other reasons": lambda tree: tree.update(reasons=["because"]),
    "another limit": lambda tree: tree["checks"][0].update(limit=0.0),
    "the mode": lambda tree: tree.update(mode="enabled"),
    "a space": lambda tree: None,
}


@pytest.mark.parametrize("name", EDITS)
def test_an_edited_decision_is_refused(registered: Registered, decide: Decide, name: str) -> None:
    promote_each(registered, decide, 1)
    file = decide(2, mode="dry_run") if name == "the mode" else decide(2)
    with pytest.raises(ReleaseError, match=r"run `carousel decide` again|decision was about"):
        promote(edited(file, EDITS[name]), *registered)
    assert aliases(registered[0]) == (1, None)


@pytest.mark.parametrize("name", ["a check left out", "a check renamed", "bootstrap beside a champion"])
def test_a_decision_that_no_gate_makes_is_refused_even_if_it_is_recorded(
    registered: Registered, decide: Decide, name: str
) -> None:
    promote_each(registered, decide, 1)
    file = recorded(edited(decide(2), EDITS[name]), registered)
    with pytest.raises(TamperedError, match=r"not the gate's checks|says bootstrap"):
        promote(file, *registered)
    assert aliases(registered[0]) == (1, None)


def test_a_failed_check_that_says_passed_is_refused(registered: Registered, decide: Decide) -> None:
    promote_each(registered, decide, 1)
    slow: Edit = lambda tree: [c.update(value=99.0) for c in tree["checks"] if c["name"] == "latency"]  # noqa: E731
    with pytest.raises(TamperedError, match="'latency' says passed: true, its numbers say otherwise"):
        promote(recorded(edited(decide(2), slow), registered), *registered)


def test_only_the_newest_decision_of_a_version_counts(registered: Registered, decide: Decide) -> None:
    older = decide(1)
    newer = decide(1, reasons=["decided again"])
    with pytest.raises(TamperedError, match="not the newest"):
        promote(older, *registered)
    assert promote(newer, *registered).version == 1


def test_a_version_without_a_recorded_decision_is_not_promoted(registered: Registered, decide: Decide) -> None:
    file = decide(1)
    registered[0].tag(1, "decision_digest", "")
    with pytest.raises(TamperedError, match="it has none"):
        promote(file, *registered)


def test_an_evaluation_that_was_edited_in_the_registry_is_refused(
    registered: Registered, decide: Decide, tmp_path: Path
) -> None:
    file = decide(1)
    (tmp_path / "evaluation.json").write_text("{}")
    registered[0].attach(1, tmp_path / "evaluation.json", "reports/evaluate")
    with pytest.raises(TamperedError, match=r"evaluation\.json in the registry is not the one"):
        promote(file, *registered)


def with_key(settings: Settings, key: str | None) -> Settings:
    return settings.model_copy(update={"signing_key": SecretStr(key) if key else None})


def signed(file: Path, registered: Registered, key: str | None) -> tuple[Path, Decision]:
    registry, settings = registered
    decision = record_decision(read_decision(file)[0], file, registry, with_key(settings, key))
    return file, decision


def test_a_signed_decision_is_promoted_where_a_key_is_set(registered: Registered, decide: Decide) -> None:
    registry, settings = registered
    file, decision = signed(decide(1), registered, KEY)
    assert decision.signature is not None
    assert io.read_record(file, Decision, "decision") == decision
    assert registry.version(1).decision_digest == sha256(file.read_bytes()).hexdigest()
    assert promote(file, registry, with_key(settings, KEY)).version == 1


def test_a_signed_refresh_is_promoted_where_a_key_is_set(registered: Registered, decide: Decide) -> None:
    registry, settings = registered
    promote_each(registered, decide, 1)
    unsigned = decide(2, **refreshed())
    with pytest.raises(TamperedError, match="not signed"):
        promote(unsigned, registry, with_key(settings, KEY))
    file, _ = signed(unsigned, registered, KEY)
    assert promote(file, registry, with_key(settings, KEY)).version == 2


@pytest.mark.parametrize("edit", [{"purpose": "retrain", "verdict": "promote"}, {"limit": -9.0}])
def test_a_refresh_that_its_gate_did_not_decide_is_refused(
    registered: Registered, decide: Decide, edit: dict[str, Any]
) -> None:
    """Recorded by one who can write the registry: as a retrain, or with a check that passed against its numbers."""
    promote_each(registered, decide, 1)

    def change(tree: dict[str, Any]) -> None:
        if "purpose" in edit:
            tree.update(edit)
        else:
            tree["checks"][3].update(value=0.1)

    with pytest.raises(TamperedError, match=r"of a retrain, its evaluation of a refresh|its numbers say otherwise"):
        promote(recorded(edited(decide(2, **refreshed()), change), registered), *registered)
    assert aliases(registered[0]) == (1, None)


@pytest.mark.parametrize("signer", [None, OTHER])
def test_an_unsigned_or_foreign_decision_is_refused_where_a_key_is_set(
    registered: Registered, decide: Decide, signer: str | None
) -> None:
    registry, settings = registered
    file, _ = signed(decide(1), registered, signer)
    with pytest.raises(TamperedError, match="not signed" if signer is None else "by no key") as error:
        promote(file, registry, with_key(settings, KEY))
    assert KEY not in str(error.value)
    assert aliases(registry) == (None, None)


def test_a_signature_covers_every_field(registered: Registered, decide: Decide) -> None:
    registry, settings = registered
    file, _ = signed(decide(1), registered, KEY)
    recorded(edited(file, lambda tree: tree.update(decided_at="2027-01-01T00:00:00+00:00")), registered)
    with pytest.raises(TamperedError, match="edited, or signed with another"):
        promote(file, registry, with_key(settings, KEY))


def test_a_key_is_rotated_by_putting_the_new_one_first(registered: Registered, decide: Decide) -> None:
    registry, settings = registered
    file, _ = signed(decide(1), registered, OTHER)
    both = with_key(settings, f"{KEY}, {OTHER}")
    assert promote(file, registry, both).version == 1
    decision = read_decision(decide(2))[0]
    newer = record_decision(decision, decide(2), registry, both)
    assert newer.signature == signature(decision, KEY)


def test_a_short_key_is_refused(settings: Settings) -> None:
    with pytest.raises(ReleaseError, match="16 characters or more") as error:
        signing_keys(with_key(settings, "secret-7"))
    assert "secret-7" not in str(error.value)
    assert signing_keys(with_key(settings, None)) == []


def test_a_new_field_with_its_default_does_not_change_the_signature(registered: Registered, decide: Decide) -> None:
    decision = read_decision(decide(1))[0]
    assert signature(decision, KEY) == signature(decision.model_copy(update={"notes": []}), KEY)
    assert signature(decision, KEY) != signature(decision.model_copy(update={"notes": ["x"]}), KEY)
