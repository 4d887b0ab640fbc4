"""The command line in a process of its own."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.flows.toy import TOY_LIBRARIES

NOWHERE = {"PREFECT_API_URL": "http://127.0.0.1:9/api"}  # an address where no Prefect answers, without a wait for it
CODE = (
    "import os, sys\nfrom components.release import warm\nfrom flows import server\n"
    f"if os.environ.get('PREFECT_API_URL') == {NOWHERE['PREFECT_API_URL']!r}:\n    server.FOREIGN_START_S = 0.1\n"
    f"warm.LIBRARIES = {TOY_LIBRARIES}\n"  # those of the real stages take seconds to import
    "from flows.cli import main\nsys.exit(main())"
)


def carousel(root: Path, *arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
    """Run the command line in a separate process."""
    command = [sys.executable, "-c", CODE, *arguments]
    return subprocess.run(
        command, cwd=root, env={**os.environ, **env}, capture_output=True, text=True, check=False, timeout=280
    )


def one_object(text: str) -> dict[str, Any]:
    assert text.count("\n") == 1, text
    content: dict[str, Any] = json.loads(text)
    return content
