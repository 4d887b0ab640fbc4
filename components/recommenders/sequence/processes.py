"""Training in several processes: where one of them ends too early, even by kill -9, the others end, too.

Else they would wait for it until torch.distributed gives up, which may take half an hour.
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from components.errors import ContractError

log = logging.getLogger("finetune")
CHECK_S = 0.2  # between two looks at the other processes
FIRST_PID = "CAROUSEL_FIRST_PID"  # in the environment of further processes: the process that started them
ADVICE = "see the messages above, and run again to resume from the checkpoint"
LOST_CONNECTION = "gloo/transport"  # in the messages of gloo, whose errors have no type of their own


def is_first_process() -> bool:
    """Return whether this is the process that writes: the one that started Lightning's others."""
    return os.environ.get("LOCAL_RANK", "0") == "0"


@contextmanager
def ends_with_other_processes(launcher: Any) -> Iterator[None]:
    """Within the block, which starts and trains, this process exits with code 1 as soon as another one has failed.

    launcher: Lightning's, whose `procs` are the further processes; None in these, and where there is one process.
    Raises ContractError where the connection is lost before that is seen.
    """
    stop = threading.Event()
    if launcher is not None:
        os.environ[FIRST_PID] = str(os.getpid())
        _watch(stop, lambda: _end_of_further(launcher.procs), lambda: [p.kill() for p in launcher.procs])
    elif not is_first_process() and FIRST_PID in os.environ:
        first = int(os.environ[FIRST_PID])
        _watch(stop, lambda: None if os.getppid() == first else "the first process of the training has ended")
    try:
        yield
    except RuntimeError as error:
        if LOST_CONNECTION not in str(error):
            raise
        raise ContractError(f"training: the connection to another process was lost; {ADVICE}") from None
    finally:
        stop.set()


def _end_of_further(processes: list[Any]) -> str | None:
    """Return which process has failed, None where none has."""
    for number, process in enumerate(processes, start=2):
        if process.poll():
            n = len(processes) + 1
            return f"process {number} of the {n} that train has ended with code {process.returncode}"
    return None


def _watch(stop: threading.Event, failure: Callable[[], str | None], before_exit: Callable[[], Any] = str) -> None:
    """Start a thread that ends this process once `failure` returns a reason."""

    def run() -> None:
        while not stop.wait(CHECK_S):
            reason = failure()
            if reason is not None and not stop.is_set():
                log.error("%s; %s", reason, ADVICE)
                before_exit()
                os._exit(1)  # the other threads may wait for the lost process

    threading.Thread(target=run, name="processes", daemon=True).start()
