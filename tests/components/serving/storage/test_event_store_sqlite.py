"""The store in a file: another kind of file is refused."""

from pathlib import Path

import pytest

from components.errors import ContractError
from components.serving.storage.event_store_sqlite import SqliteEventStore


def test_a_file_of_another_kind_is_refused_with_advice(tmp_path: Path) -> None:
    (tmp_path / "state.db").write_bytes(b"no database " * 100)
    with pytest.raises(ContractError, match="move the file away"):
        SqliteEventStore(tmp_path / "state.db")
