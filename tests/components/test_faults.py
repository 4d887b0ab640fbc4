"""A crash point kills only where the environment asks for it."""

import os
import signal
import subprocess
import sys

import pytest

CODE = "from components.faults import crash_point; crash_point('ingest:before'); print('alive')"


@pytest.mark.parametrize(("asked", "code"), [("ingest:before", -signal.SIGKILL), ("ingest:after", 0), ("", 0)])
def test_crash_point(asked: str, code: int) -> None:
    done = subprocess.run(
        [sys.executable, "-c", CODE], env={**os.environ, "CRASH_AT": asked}, capture_output=True, text=True, check=False
    )
    assert done.returncode == code
    assert done.stdout == ("" if code else "alive\n")
