"""Ends a worker process whose supervisor has ended, even by kill -9: otherwise it would hold the port for ever."""

import logging
import os
import signal
import threading
from multiprocessing import connection, parent_process

log = logging.getLogger("serving")


def stop_with_parent(grace_s: float) -> None:
    """Stop this process when the one that started it ends; a process that multiprocessing did not start is left alone.

    grace_s: seconds for the requests in flight; after them the process exits without waiting.
    """
    parent = parent_process()
    if parent is not None:
        threading.Thread(target=_wait_and_stop, args=(parent.sentinel, grace_s), daemon=True).start()


def _wait_and_stop(sentinel: int, grace_s: float) -> None:
    connection.wait([sentinel])
    log.error("the supervisor of this worker has ended; it stops too")
    os.kill(os.getpid(), signal.SIGTERM)
    threading.Event().wait(grace_s)
    os._exit(1)
