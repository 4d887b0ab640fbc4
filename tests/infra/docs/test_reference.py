"""docs/cli.md, docs/http-api.md and the client match the current command line and OpenAPI schema."""

import os
import subprocess
import sys
from pathlib import Path

from infra.docs.reference import ROOT, cli_markdown


def test_the_reference_pages_are_up_to_date(tmp_path: Path) -> None:
    """In a separate process, because building the app sets the thread count and the log of the process."""
    check = [sys.executable, "-m", "infra.docs.reference", "--check"]
    done = subprocess.run(
        check, cwd=ROOT, env=os.environ | {"CAROUSEL_HOME": str(tmp_path)}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


def test_every_verb_is_described() -> None:
    text = cli_markdown()
    assert "## `carousel retrain`" in text
    assert "## `carousel experiment start`" in text
    assert "`--as-of DATE`" in text
