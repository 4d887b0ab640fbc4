"""The stage `package` reads what the stage `complete` wrote."""

from pathlib import Path

import pytest

from components.contracts import Completion
from components.errors import ContractError
from components.io import write_record
from components.stages.completion_ref import FILE, read_completion

COMPLETION = Completion(judged_until="2026-01-01", learned_until="2026-01-08", models=["ease"], checks=[])


def test_a_completion_is_read_as_it_was_written(tmp_path: Path) -> None:
    write_record(tmp_path / FILE, COMPLETION)
    assert read_completion(tmp_path) == COMPLETION


def test_without_a_completion_there_is_none(tmp_path: Path) -> None:
    assert read_completion(tmp_path) is None


def test_a_damaged_completion_names_the_stage_to_run(tmp_path: Path) -> None:
    (tmp_path / FILE).write_text('{"judged_until": 1}')
    with pytest.raises(ContractError, match="run the stage `complete` again"):
        read_completion(tmp_path)
