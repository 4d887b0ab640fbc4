"""The command line in a process of its own."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any


def carousel(root: Path, *arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
    """Run the command line in a separate process."""
    command = [sys.executable, "-m", "flows.cli", *arguments]
    return subprocess.run(
        command, cwd=root, env={**os.environ, **env}, capture_output=True, text=True, check=False, timeout=280
    )


def one_object(text: str) -> dict[str, Any]:
    assert text.count("\n") == 1, text
    content: dict[str, Any] = json.loads(text)
    return content
