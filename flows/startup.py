"""What every verb of the command line begins and ends with: the checkout, the environment, one message per error."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

    import typer

    from flows.workspace import Workspace

CHECKOUT = ("params.yaml", "dvc.yaml")  # files that its root folder has


def prepare() -> Path:
    """Change to the checkout; configure the log and what libraries read at import; return the private home folder."""
    from components.private import protect
    from components.settings import Settings
    from flows.terminal import start_log
    from flows.workspace import quiet_environment

    start_log()
    root = find_checkout(Path.cwd())
    os.chdir(root)
    home = Settings().resolved(root).home
    protect(home)
    quiet_environment(home)
    return home


@contextmanager
def warm_stages() -> Iterator[None]:
    """Import what the stages need in their warm process from now on, while Prefect and its server start."""
    from components.release.warm import warm_process

    with warm_process(Path.cwd(), at_once=True) as env:
        os.environ.update(env)
        try:
            yield
        finally:
            for name in env:
                del os.environ[name]


def open_workspace(files: list[Path] | None, sets: list[str] | None, as_of: datetime | None = None) -> Workspace:
    """Prepare, and return the workspace with the overlays and values of the options --params and --set."""
    prepare()
    from flows import workspace

    return workspace.open_workspace(texts(files), sets or [], as_of)


def find_checkout(folder: Path) -> Path:
    """Return the root of the checkout that the folder is in; raises ParamsError outside of one."""
    for root in (folder, *folder.parents):
        if all((root / name).is_file() for name in CHECKOUT):
            return root
    from components.errors import ParamsError

    raise ParamsError(
        f"{folder}: expected a checkout of Carousel here or above ({', '.join(CHECKOUT)}); change into it"
    )


def run(app: typer.Typer, arguments: list[str]) -> int:
    """Return the exit code. A wrong argument is a fault (1): click's own 2 would read as the verdict `keep`."""
    from typer.exceptions import TyperException

    try:
        code = int(app(arguments or ["--help"], prog_name="carousel", standalone_mode=False) or 0)
        sys.stdout.flush()
        return code
    except (BrokenPipeError, SystemExit) as error:  # click turns the first into the second
        if not isinstance(error if isinstance(error, OSError) else error.__context__, BrokenPipeError):
            raise
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.__stdout__.fileno() if sys.__stdout__ else 1)
        return 0  # the reader of the output has ended, as `head` does
    except TyperException as error:
        from components.errors import ParamsError

        context = getattr(error, "ctx", None)
        verb = context.command_path if context else "carousel"
        problem: Exception = ParamsError(f"{error.format_message()}; see `{verb} --help`")
    except Exception as error:  # top level: every error is printed once, here
        problem = error
    from flows.terminal import fault

    fault(problem, "--json" in arguments)
    return 1


def texts(files: Sequence[Path] | None) -> list[str]:
    """Return the paths as flows take them."""
    return [str(file) for file in files or []]
