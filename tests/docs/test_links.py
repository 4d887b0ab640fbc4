"""What the documentation names exists: links, files, functions, verbs, options, parameters, routes, metrics."""

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel
from typer.main import get_command

from components.params import load
from components.release import bundle
from components.serving.metrics import ServiceMetrics
from components.settings import Settings
from flows.cli import app

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("examples/*/*.md")])
PAGES.remove(ROOT / "CHANGELOG.md")  # it names removed things
CURRENT = [page for page in PAGES if page.name != "upgrading.md"]  # upgrading.md does, too
LINK = re.compile(r"\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
PATH = re.compile(r"\b((?:components|flows|tests|infra|docs|examples)/[\w./*-]*\w)(?::(\w+))?")
COMMAND = re.compile(r"(?:^|/|&& )carousel((?: +(?:[\w./=-]+|`[^`]*`))*)")
MADE = re.compile(r"`([\w./-]+)`[^`\n]*:\n\n```")
SPAN = re.compile(r"`([^`\n]+)`")
ROUTE = re.compile(r"\b(GET|POST) (/[\w./{}]*)")
SUFFIXES = {"json", "yaml", "py", "md", "html", "parquet", "svg"}  # of files; the rest of `a.b` are parameters
UNLISTED = {"/", "/metrics", "/openapi.json", "/docs"}  # served, but not in the schema
pages = pytest.mark.parametrize("page", CURRENT, ids=lambda page: page.relative_to(ROOT).as_posix())


def spans(page: Path) -> Iterator[str]:
    """Yield what is set as code outside of fenced blocks: spans, and indented lines."""
    text = FENCE.sub("", page.read_text(encoding="utf-8"))
    yield from SPAN.findall(text)
    yield from (line.strip() for line in text.splitlines() if line.startswith("    "))


@cache
def commands() -> Any:
    """Return the tree of verbs, made once: it takes longer than the check of a page."""
    return get_command(app)


def slug(heading: str) -> str:
    """Return the anchor that GitHub gives a heading."""
    return re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_relative_links_and_anchors_exist(page: Path) -> None:
    text = FENCE.sub("", page.read_text(encoding="utf-8"))
    broken = []
    for target in LINK.findall(text):
        name, _, anchor = target.partition("#")
        file = (page.parent / name).resolve() if name else page
        if "://" in target:
            continue
        known = file.exists() and file.is_relative_to(ROOT)
        if not known or (anchor and anchor not in map(slug, HEADING.findall(file.read_text(encoding="utf-8")))):
            broken.append(target)
    assert broken == []


@pages
def test_files_and_functions_exist(page: Path) -> None:
    missing, made = [], set(MADE.findall(page.read_text(encoding="utf-8")))  # by an example, which another test runs
    for name, function in PATH.findall(FENCE.sub("", page.read_text(encoding="utf-8"))):
        found = [*ROOT.glob(name.rstrip("/"))] or [*ROOT.glob(f"{name}.py")]
        if not found and name not in made:
            missing.append(name)
        elif function and found and not re.search(rf"^(def|class) {function}\b", found[0].read_text(), re.MULTILINE):
            missing.append(f"{name}:{function}")
    assert missing == []


@pages
def test_verbs_and_options_exist(page: Path) -> None:
    wrong = []
    for span in spans(page):
        for words in (match.split() for match in COMMAND.findall(span.partition("#")[0])):
            command = commands()
            while words and hasattr(command, "commands") and words[0] in command.commands:
                command = command.commands[words.pop(0)]
            options = {o for p in command.params for o in p.opts} | {"--help"}
            if hasattr(command, "commands") and words and words[0].islower():
                wrong.append(span)
            wrong += [span for word in words if word.startswith("--") and word.partition("=")[0] not in options]
    assert wrong == []


@pages
def test_make_targets_exist(page: Path) -> None:
    targets = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = {name for span in spans(page) for name in re.findall(r"^make ([\w-]+)", span)}
    assert named <= targets


@pages
def test_options_of_benchmarks_exist(page: Path) -> None:
    wrong = []
    for script, options in re.findall(r"python (tests/benchmarks/\w+\.py)([^`\n]*)", page.read_text(encoding="utf-8")):
        known = (ROOT / script).read_text(encoding="utf-8")
        wrong += [f"{script} {name}" for name in re.findall(r"--[\w-]+", options) if f'"{name}"' not in known]
    assert wrong == []


@pages
def test_parameters_exist(page: Path) -> None:
    params = load(ROOT / "params.yaml")
    unknown = []
    for span in spans(page):
        for name in re.findall(r"^([a-z]\w*(?:\.\w+)+)$|--set ([\w.]+)=", span):
            path = next(filter(None, name)).split(".")
            if path[-1] not in SUFFIXES and path[0] in type(params).model_fields and not _has(params, path):
                unknown.append(".".join(path))
    assert unknown == []


def _has(node: Any, path: list[str]) -> bool:
    if not path:
        return True
    if isinstance(node, BaseModel):
        return path[0] in type(node).model_fields and _has(getattr(node, path[0]), path[1:])
    return isinstance(node, dict) and path[0] in node


@pages
def test_routes_exist(page: Path) -> None:
    text = (ROOT / "docs/http-api.md").read_text(encoding="utf-8")
    known = set(re.findall(r"^## `(\w+ /[\w./{}]*)`$", text, re.MULTILINE)) | {f"GET {path}" for path in UNLISTED}
    written = page.read_text(encoding="utf-8")
    known |= {f"{method.upper()} {path}" for method, path in re.findall(r'@app\.(\w+)\("([^"]+)"', written)}
    named = {" ".join(match) for match in ROUTE.findall(written)}
    paths = {span for span in spans(page) if re.fullmatch(r"/[a-z]+(/[a-z]+)?", span)}
    assert named <= known
    assert paths <= {route.split()[1] for route in known}


@pages
def test_metrics_exist(page: Path) -> None:
    known = {family.name for family in ServiceMetrics().registry.collect()}
    named = {name for span in spans(page) for name in re.findall(r"\bcarousel_[a-z_]+", span)}
    assert {name.removesuffix("_total") for name in named} <= known


@pages
def test_environment_variables_exist(page: Path) -> None:
    own = {f"CAROUSEL_{name.upper()}" for name in Settings.model_fields}
    files = [*ROOT.glob("infra/**/*.sh"), ROOT / "tests/conftest.py", ROOT / ".gitlab-ci.yml"]
    files.append(ROOT / "infra/kubernetes/config.yaml")
    own |= {name for file in files for name in re.findall(r"\bCAROUSEL_[A-Z_]+\b", file.read_text())}
    assert set(re.findall(r"\bCAROUSEL_[A-Z_]+\b", page.read_text(encoding="utf-8"))) <= own


def test_the_layout_of_a_bundle_is_the_one_in_the_code() -> None:
    text = (ROOT / "docs/architecture.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (`.*?) \|", text.partition("## The bundle")[2].partition("## ")[0], re.MULTILINE)
    layout = (bundle.__doc__ or "").partition("Layout:\n")[2].partition("\n\n")[0]
    names = {name for line in layout.splitlines() for name in line.split("  ")[2].split(", ")}
    assert {name for row in rows for name in SPAN.findall(row)} == names


def test_renamed_names_are_gone_and_their_new_names_exist() -> None:
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    renamed = re.findall(r"^\| `([^`]+)`[^|]* \| `([^`]+)` \|$", text, re.MULTILINE)
    metrics = {family.name for family in ServiceMetrics().registry.collect()}
    known = (ROOT / "docs/http-api.md").read_text(encoding="utf-8")
    checked = [(old, new) for old, new in renamed if old.startswith(("GET ", "POST ", "carousel_", "why", "because"))]
    for old, new in checked:
        assert new in metrics or f"`{new}`" in known, new
        assert old not in metrics, old
        assert f"`{old}`" not in known, old
    assert len(checked) >= 8


def test_the_checks_find_errors(tmp_path: Path) -> None:
    """Each check fails on a page with every kind of error, so that none passes without checking."""
    page = tmp_path / "wrong.md"
    page.write_text(
        "[a](missing.md) `components/no_such.py` `carousel retrain --nothing` `make nothing` `gate.nothing` "
        "`POST /nothing` `carousel_nothing` CAROUSEL_NOTHING `python tests/benchmarks/bench_shop.py --nothing`\n"
    )
    checks = [
        test_relative_links_and_anchors_exist, test_files_and_functions_exist, test_verbs_and_options_exist,
        test_make_targets_exist, test_options_of_benchmarks_exist, test_parameters_exist, test_routes_exist,
        test_metrics_exist, test_environment_variables_exist,
    ]  # fmt: skip
    for check in checks:
        with pytest.raises(AssertionError):
            check(page)
