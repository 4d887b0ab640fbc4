"""The examples of docs/extending.md work as written: each section is applied to a copy of the repository and run."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs/extending.md").read_text(encoding="utf-8")
COPIED = ("client", "components", "flows", "infra", "tests", "docs", "examples", ".dvc")
FILE = re.compile(r"`([\w./-]+)`[^`\n]*:\n*$")  # a path, and a colon at the end of the paragraph
FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


class Block(NamedTuple):
    """A fenced block; file: the path above it, "" for commands."""

    language: str
    file: str
    text: str


def sections() -> dict[str, list[Block]]:
    """Return the blocks of each section that has any."""
    parts = re.split(r"^## (.+)$", TEXT, flags=re.MULTILINE)[1:]
    found = {title: list(blocks(text)) for title, text in zip(parts[::2], parts[1::2], strict=True)}
    return {title: steps for title, steps in found.items() if steps}


def blocks(text: str) -> Iterator[Block]:
    for match in FENCE.finditer(text):
        named = FILE.search(text[: match.start()])
        language = match[1]
        assert language == "console" or named, f"no file is named above the block {match[2][:60]!r}"
        yield Block(language, "" if language == "console" or named is None else named[1], match[2])


def apply(block: Block, root: Path) -> None:
    path = root / block.file
    if block.language != "diff":
        assert not path.exists(), f"{block.file} exists already"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(block.text, encoding="utf-8")
        return
    lines = block.text.splitlines()
    before = "\n".join(line[1:] for line in lines if line[:1] != "+")
    after = "\n".join(line[1:] for line in lines if line[:1] != "-")
    text = path.read_text(encoding="utf-8")
    assert text.count(before) == 1, f"{block.file} holds these lines {text.count(before)} times:\n{before}"
    path.write_text(text.replace(before, after), encoding="utf-8")


def run(command: str, root: Path) -> None:
    programs = Path(sys.executable).parent
    assert (programs / "carousel").exists()
    env = {key: value for key, value in os.environ.items() if not key.startswith("CAROUSEL_")}
    env |= {"PYTHONPATH": str(root), "CAROUSEL_HOME": str(root / ".carousel"), "DVC_NO_ANALYTICS": "1"}
    done = subprocess.run(
        ["bash", "-c", command.replace(".venv/bin", str(programs))], cwd=root, env=env, capture_output=True, text=True
    )
    assert done.returncode == 0, f"{command}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    root = tmp_path / "checkout"
    for name in COPIED:
        shutil.copytree(ROOT / name, root / name, ignore=shutil.ignore_patterns("__pycache__", "tmp", "cache"))
    for file in (path for path in ROOT.iterdir() if path.is_file()):
        shutil.copyfile(file, root / file.name)
    for command in (
        "git init --quiet",
        "git add --all",
        "git -c user.name=Test -c user.email=test@example.com commit --quiet --message copy",
    ):
        subprocess.run(command.split(), cwd=root, check=True)
    return root


@pytest.mark.slow
@pytest.mark.parametrize("title", sections())
def test_an_example_works_as_written(title: str, checkout: Path) -> None:
    for block in sections()[title]:
        if block.language == "console":
            for line in block.text.splitlines():
                run(line.removeprefix("$ "), checkout)
        else:
            apply(block, checkout)


@pytest.mark.parametrize("title", sections())
def test_an_example_fits_the_code(title: str, checkout: Path) -> None:
    """The quick half of the test above: the lines that an example changes are there."""
    for block in sections()[title]:
        if block.language != "console":
            apply(block, checkout)


def test_every_example_is_run() -> None:
    """A section without a command would pass without a test."""
    assert all(any(block.language == "console" for block in steps) for steps in sections().values())
    assert len(sections()) == len(re.findall(r"^## ", TEXT, flags=re.MULTILINE))
