"""The list of members, and who may join."""

from pathlib import Path

import pytest

from components.errors import ContractError
from components.federated.keys import write_identity
from components.params import Params, load
from flows.federated import coordinate, join, read_members
from tests.support import ROOT


@pytest.fixture(scope="module")
def params() -> Params:
    return load(ROOT / "params.yaml")


def test_a_list_of_members_is_read_and_errors_are_named(tmp_path: Path) -> None:
    public = write_identity(tmp_path / "key.pem")
    listed = tmp_path / "members.yaml"
    listed.write_text(f"north: {public}\nsouth: {'22' * 32}\n")
    assert set(read_members(listed)) == {"north", "south"}
    for content, match in (("- north", "expected a line"), ("north: [", "cannot be read"), ("north: 12", "64 hex")):
        listed.write_text(content)
        with pytest.raises(ContractError, match=match):
            read_members(listed)
    with pytest.raises(ContractError, match="cannot be read"):
        read_members(tmp_path / "absent.yaml")


def test_a_member_joins_under_its_own_name_alone(tmp_path: Path, params: Params) -> None:
    public = write_identity(tmp_path / "key.pem")
    listed = tmp_path / "members.yaml"
    listed.write_text(f"north: {public}\nsouth: {'22' * 32}\n")
    for name in ("south", "stranger"):
        with pytest.raises(ContractError, match=f"under the name '{name}'"):
            join(params, name, "http://127.0.0.1:1", tmp_path / "key.pem", listed, tmp_path / "split", tmp_path / "out")


def test_too_few_members_are_refused_before_anybody_waits(tmp_path: Path, params: Params) -> None:
    listed = tmp_path / "members.yaml"
    listed.write_text("".join(f"m{i}: {write_identity(tmp_path / f'{i}.pem')}\n" for i in range(2)))
    with pytest.raises(ContractError, match=r"expected federated\.min_clients 3 members or more, got 2"):
        coordinate(params, listed, tmp_path / "split", tmp_path / "features", ("127.0.0.1", 0), tmp_path / "out")
