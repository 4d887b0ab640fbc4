"""Command-line output: results on standard output, logs on standard error, one message per error."""

from __future__ import annotations

import json
import logging
import re
import sys
from typing import TYPE_CHECKING, Any

from components import redact
from components.errors import CarouselError

if TYPE_CHECKING:
    from rich.console import Console

QUIET = (
    "httpx",
    "httpcore",
    "alembic",
    "mlflow",
    "dvc",
    "dvc_data",
    "fontTools",
    "matplotlib",
    "prefect",
    "fsspec",
    "torch",
)
CHATTER = re.compile(  # DVC's hints for interactive use
    r"To track the changes|\tgit add|To enable auto staging|\tdvc config|Use `dvc push`|Updating lock file|"
    r"Generating lock file|Running stage|> python -m|Stage '.*' didn't change|Data and pipelines are up to date|\s*$"
)
CLOCK = re.compile(r"^\d\d:\d\d:\d\d ")  # the time that a stage's own log line starts with


class Lines(logging.Filter):
    """Drops DVC's hints, and the second time stamp of a stage's own lines."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Return whether the line is worth printing."""
        text = record.getMessage()
        record.msg, record.args = CLOCK.sub("", text), ()
        return not CHATTER.match(text)


def start_log() -> None:
    """Send the log to standard error, one plain line each, without secrets."""
    redact.install()
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s", datefmt="%H:%M:%S"))
    handler.addFilter(Lines())
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    logging.captureWarnings(True)
    for name in QUIET:
        logging.getLogger(name).setLevel(logging.ERROR)
    logging.getLogger("py.warnings").setLevel(logging.ERROR)


def fault(error: Exception, as_json: bool) -> None:
    """Print one message for an error; a traceback too where it is not a CarouselError."""
    known = isinstance(error, CarouselError)
    if not known:
        sys.stderr.write(redact.format_exception(error))
    text = str(error) if known else redact.redact(f"{type(error).__name__}: {error}")
    if as_json:
        write(json.dumps({"error": text, "kind": type(error).__name__}, ensure_ascii=False))
    else:
        sys.stderr.write(f"carousel: {text}\n")


def show(content: dict[str, Any], as_json: bool) -> None:
    """Print a record as one JSON object, or as a table with one row per field."""
    if as_json:
        write(json.dumps(content, ensure_ascii=False))
    else:
        table([(name, _plain(value)) for name, value in content.items()])


def console(soft_wrap: bool = False) -> Console:
    """Return standard output with tables and styles; it raises BrokenPipeError when the reader has ended."""
    from rich.console import Console

    class Output(Console):
        def on_broken_pipe(self) -> None:
            raise BrokenPipeError

    return Output(soft_wrap=soft_wrap, markup=soft_wrap, highlight=False)


def table(rows: list[tuple[str, ...]]) -> None:
    """Print rows in columns; long lines are wrapped by the terminal, never cut."""
    from rich.table import Table

    grid = Table(box=None, show_header=False, pad_edge=False)
    for row in rows:
        grid.add_row(*row)
    console().print(grid)


def show_columns(rows: list[dict[str, str]], otherwise: str) -> None:
    """Print rows under the names of their columns; without rows, the text `otherwise`.

    Nothing is cut: on a narrow terminal cells go on below, and a file or a pipe has lines as long as needed.
    """
    from rich.table import Table

    if not rows:
        write(otherwise)
        return
    grid = Table(box=None, pad_edge=False)
    for name in rows[0]:
        grid.add_column(name, overflow="fold")
    for row in rows:
        grid.add_row(*row.values())
    screen = console()
    if not screen.is_terminal:
        needed = screen.measure(grid, options=screen.options.update(max_width=100_000)).maximum
        screen.width = max(screen.width, needed)
    screen.print(grid)


def write(line: str) -> None:
    """Print one line on standard output."""
    sys.stdout.write(f"{line}\n")


def _plain(value: Any) -> str:
    if isinstance(value, dict):
        return "\n".join(f"{k}: {_plain(v)}" for k, v in value.items())
    if isinstance(value, list):
        return "\n".join(_plain(v) for v in value) or "-"
    return "-" if value is None else str(value)
