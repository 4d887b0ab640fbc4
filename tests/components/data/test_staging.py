"""Row numbers, and errors of DuckDB without personal data."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from components.data import staging
from components.errors import ContractError
from tests.components.data.support import HEADER, PRODUCTS, good, write


def staged(folder: Path, settings: Callable[..., Any], events: dict[str, bytes], **data: Any) -> staging.Staging:
    write(folder, {"in/products.csv": PRODUCTS, **events})
    chosen = settings(
        **{"sources": {"products": [{"path": "in/products.csv"}], "events": [{"path": "e"}]}, **data}
    ).data
    area = staging.connect(chosen, folder, folder / "spill")
    for table in ("products", "events"):
        staging.stage(area, table, chosen, folder / "repaired")
    return area


def test_months_and_their_rows(tmp_path: Path, settings: Callable[..., Any]) -> None:
    content = HEADER + b"a,i1,2026-02-28 23:59:59.999999,view,1,1\nb,i1,2026-01-01,view,1,1\nc,i1,2026-02-01,view,1,1\n"
    area = staged(tmp_path, settings, {"e/1.csv": content})
    assert staging.list_months(area, "events") == ["2026-01", "2026-02"]
    assert staging.read_sorted(area, "events", "2026-02").read_all()["user_id"].to_pylist() == ["c", "a"]
    assert staging.valid_rows(area, "events").count().execute() == 3


def test_an_out_of_memory_error_says_what_to_do_without_paths_of_the_machine(
    tmp_path: Path, settings: Callable[..., Any]
) -> None:
    with pytest.raises(ContractError, match=r"raise data\.memory_gib") as error:
        staged(tmp_path, settings, {"e/1.csv": HEADER + good(100_000)}, memory_gib=0.001)
    assert str(tmp_path) not in str(error.value)


def test_errors_do_not_name_users(tmp_path: Path, settings: Callable[..., Any]) -> None:
    source = {"path": "e", "columns": {"quantity": "CAST(user_id AS INT)"}}
    sources = {"products": [{"path": "in/products.csv"}], "events": [source]}
    with pytest.raises(ContractError, match="TRY_CAST") as error:
        staged(tmp_path, settings, {"e/1.csv": HEADER + good(2, user=77)}, sources=sources)
    assert "u77" not in str(error.value)
