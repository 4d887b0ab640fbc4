"""Tables of a folder as the modules of advice see them."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from components.applications.advice.columns import Looked, look
from components.applications.advice.questions import Answers
from components.applications.advice.roles import TableRoles, find_roles


@contextmanager
def looked_at(folder: Path, root: Path) -> Iterator[tuple[Looked, dict[str, TableRoles]]]:
    """Yield what was found in a folder or file, and the roles of each table by its name."""
    spill = root / "spill"
    spill.mkdir(exist_ok=True)
    looked = look([folder], root, spill)
    try:
        yield looked, {table.name: find_roles(table, Answers()) for table in looked.tables}
    finally:
        looked.connection.close()
