"""The list of `carousel inventory`: on the terminal, as JSON, and as a CSV file."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from components.applications.inventory.published import read_published
from components.applications.record import FOLDER
from components.applications.spreadsheets import defuse
from components.io import atomic_file
from flows import terminal
from flows.applications import ApplicationOutcome, describe_record

N_SHOWN = 20  # rows on the terminal
COLUMNS = {
    "item_id": "product", "action": "action", "demand_per_day": "a day", "reorder_point": "reorder at",
    "order_quantity": "order", "stock": "stock", "title": "title",
}  # fmt: skip


def show(done: ApplicationOutcome, as_json: bool, path: Path | None) -> None:
    """Print the verdict and the list; write the whole list to `path`, if there is one."""
    folder = Path.cwd() / FOLDER / "inventory"
    rows = read_published(folder).products if done.record.ships != "nothing" else []
    if path is not None:
        write_csv(path, rows)
    if as_json:
        terminal.show({"record": done.record.model_dump(mode="json"), "products": rows}, True)
        return
    terminal.write(describe_record(done.record))
    shown = [row for row in rows if row["action"] != "none"] or rows
    lines = [{header: format_cell(row[name]) for name, header in COLUMNS.items()} for row in shown[:N_SHOWN]]
    terminal.show_columns(lines, "no list: nothing was forecast")
    terminal.write(f"report: {done.report}")


def write_csv(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write all columns of all rows; texts that a spreadsheet would read as a formula get an apostrophe."""
    with atomic_file(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        if rows:
            writer.writerow(rows[0])
        writer.writerows([defuse(v) if isinstance(v, str) else v for v in row.values()] for row in rows)


def format_cell(value: Any) -> str:
    """Return a value as the terminal shows it: numbers with one decimal, unknown ones empty."""
    if value is None:
        return ""
    return f"{value:,.1f}" if isinstance(value, float) else str(value)[:40]
