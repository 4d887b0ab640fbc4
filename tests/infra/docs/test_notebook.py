"""docs/notebook.ipynb has stored output; how its cells are executed."""

import json
from typing import Any

import pytest

from infra.docs.notebook import NOTEBOOK, execute


def code_cells(notebook: dict[str, Any]) -> list[dict[str, Any]]:
    return [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]


def test_a_value_and_what_is_printed_are_outputs() -> None:
    cells = [{"cell_type": "markdown", "source": ["text"]}, {"cell_type": "code", "source": ["a = 2\n", "print(a)"]}]
    done = execute({"cells": [*cells, {"cell_type": "code", "source": ["a + 1"]}]})
    first, second = code_cells(done)
    assert first["outputs"] == [{"output_type": "stream", "name": "stdout", "text": ["2\n"]}]
    assert second["outputs"][0]["data"] == {"text/plain": ["3"]}
    assert [cell["execution_count"] for cell in (first, second)] == [1, 2]
    with pytest.raises(ZeroDivisionError):
        execute({"cells": [{"cell_type": "code", "source": ["1 / 0"]}]})


def test_the_notebook_is_executed() -> None:
    cells = code_cells(json.loads(NOTEBOOK.read_text(encoding="utf-8")))
    assert [cell["execution_count"] for cell in cells] == list(range(1, len(cells) + 1))
