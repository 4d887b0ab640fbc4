"""Whose lists are exported: pages of ids, from the store or from a file."""

from pathlib import Path

import pytest

from components.errors import ContractError
from components.offline.users import AllUsers, UserFile
from components.serving.storage.event_store import EventStore


def test_all_users_page_by_page_from_any_of_them(store: EventStore) -> None:
    users = AllUsers(store)
    names = ["stranger", *(f"u-{n}" for n in range(1, 8))]
    assert users.count() == 8
    assert list(users.pages(3, 0, "")) == [names[:3], names[3:6], names[6:]]
    assert list(users.pages(3, 3, "u-2")) == [names[3:6], names[6:]]
    assert list(users.pages(3, 8, "u-7")) == []


def test_a_file_is_read_by_the_rules_of_ids(tmp_path: Path) -> None:
    file = tmp_path / "users.txt"
    file.write_bytes("\ufeffuser_id\nb\n\n a \n12.0\nb\n".encode())
    users = UserFile(file, ())
    assert users.count() == 4
    assert list(users.pages(3, 0, "")) == [["b", "a", "12"], ["b"]]
    assert list(users.pages(3, 3, "12")) == [["b"]]
    name = users.name
    file.write_text("b\n")
    assert UserFile(file, ()).name != name


def test_a_line_that_is_no_id_is_named_without_its_content(tmp_path: Path) -> None:
    file = tmp_path / "users.txt"
    file.write_text("u-5\nguest\n")
    assert UserFile(file, ()).count() == 2
    with pytest.raises(ContractError, match=r"users\.txt, line 2: not an id") as error:
        UserFile(file, ["Guest"]).count()
    assert "guest" not in str(error.value)
    with pytest.raises(ContractError, match="found no file"):
        UserFile(tmp_path / "none.txt", ())


def test_a_file_that_is_not_utf_8_is_refused(tmp_path: Path) -> None:
    (tmp_path / "ids.txt").write_bytes("u1\n\u7528\u6237".encode("gb18030"))
    with pytest.raises(ContractError, match="expected a text file in UTF-8"):
        UserFile(tmp_path / "ids.txt", []).count()
