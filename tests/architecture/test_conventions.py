"""Conventions that no linter checks: standard names, one meaning per class name, no import cycle, small units."""

import ast
import subprocess
from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
# Names that this code once used with several meanings; use the field's terms instead.
BANNED = {
    "told", "tell", "kept", "beside", "apart", "standing", "lacking", "came", "happened", "asked", "away", "people",
    "desk", "shelf", "dear", "here", "whole", "turned_away", "take_in", "tried", "warmth", "knobs", "lend", "lenders",
    "newcomers", "likes", "barred", "place", "mend", "nothing",
}  # fmt: skip
MAX_LINES, MAX_FUNCTION_LINES, MAX_ARGUMENTS = 300, 50, 8
GENERATED = ("client/carousel_client/models.py", "client/carousel_client/routes.py")  # grow with the HTTP API
FLAT_FORMS = {  # Prefect builds a form from a flow's arguments, typer options from a command's: they must stay flat
    "flows/retrain.py: retrain", "flows/export.py: export", "flows/cli_offline.py: recommend",
    "flows/cli_offline.py: export", "flows/cli_marketing.py: audience", "flows/cli_federated.py: coordinate",
    "flows/cli_federated.py: join",
}  # fmt: skip
Function = ast.FunctionDef | ast.AsyncFunctionDef


def tracked(*patterns: str) -> list[str]:
    return subprocess.run(
        ["git", "ls-files", *patterns], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split()


SOURCES = tracked("components/*.py", "flows/*.py")
CLIENT = tracked("client/*.py")
TESTS = tracked("tests/*.py")


@cache
def tree(name: str) -> ast.Module:
    return ast.parse((ROOT / name).read_text(encoding="utf-8"))


@pytest.fixture(scope="module", autouse=True)
def _trees_freed() -> Iterator[None]:
    """Free the trees: 260 MiB, which every later garbage collection of the process would visit for a second."""
    yield
    tree.cache_clear()


def functions(name: str) -> list[Function]:
    return [node for node in ast.walk(tree(name)) if isinstance(node, Function)]


def identifiers(name: str) -> Iterator[tuple[str, int]]:
    """Yield the names that a module defines: functions, classes, arguments, variables, attributes."""
    for node in ast.walk(tree(name)):
        if isinstance(node, Function | ast.ClassDef):
            yield node.name, node.lineno
        elif isinstance(node, ast.arg):
            yield node.arg, node.lineno
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id, node.lineno
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            yield node.attr, node.lineno


def banned(name: str) -> list[str]:
    return [f"{name}:{line}: {word}" for word, line in identifiers(name) if word.strip("_").lower() in BANNED]


def test_no_banned_identifier() -> None:
    assert [found for name in SOURCES for found in banned(name)] == []


def test_a_class_name_means_one_thing() -> None:
    homes = defaultdict(list)
    for name in SOURCES:
        for node in ast.walk(tree(name)):
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                homes[node.name].append(f"{name}:{node.lineno}")
    assert {name: found for name, found in homes.items() if len(found) > 1} == {}


def imports(name: str) -> set[str]:
    """Return the modules that a module imports, also inside functions."""
    found: set[str] = set()
    for node in ast.walk(tree(name)):
        if isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
    return found


def test_no_import_cycle() -> None:
    modules = {name.removesuffix(".py").removesuffix("/__init__").replace("/", "."): name for name in SOURCES}
    graph = {module: (imports(name) & set(modules)) - {module} for module, name in modules.items()}
    reachable: dict[str, set[str]] = {}
    for start in graph:
        seen: set[str] = set()
        pending = list(graph[start])
        while pending:
            module = pending.pop()
            if module not in seen:
                seen.add(module)
                pending += graph[module]
        reachable[start] = seen
    cycles = {tuple(sorted(m for m in reachable[x] if x in reachable[m])) for x in graph if x in reachable[x]}
    assert cycles == set()


def oversized(name: str) -> list[str]:
    lines = (ROOT / name).read_text(encoding="utf-8").count("\n")
    found = [f"{name}: {lines} lines"] if lines > MAX_LINES and name not in GENERATED else []
    long = [f for f in functions(name) if (f.end_lineno or 0) - f.lineno >= MAX_FUNCTION_LINES]
    return found + [f"{name}:{f.lineno}: {f.name}" for f in long]


def test_files_and_functions_stay_small() -> None:
    assert [found for name in (*SOURCES, *CLIENT, *TESTS) for found in oversized(name)] == []


def long_signatures(name: str) -> list[str]:
    found = []
    for function in functions(name):
        arguments = [*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs]
        count = sum(argument.arg not in ("self", "cls") for argument in arguments)
        if count > MAX_ARGUMENTS and f"{name}: {function.name}" not in FLAT_FORMS:
            found.append(f"{name}: {function.name}: {count} arguments")
    return found


def test_signatures_stay_short() -> None:
    assert [found for name in SOURCES for found in long_signatures(name)] == []


def test_the_checks_find_errors(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file with every kind of error: none of the checks of all files passes because it looks at nothing."""
    monkeypatch.setattr(f"{__name__}.ROOT", tmp_path)
    arguments = ", ".join(f"a{n}" for n in range(MAX_ARGUMENTS + 1))
    (tmp_path / "wrong.py").write_text(f"def told({arguments}):\n" + "    pass\n" * (MAX_LINES + 1))
    assert banned("wrong.py") == ["wrong.py:1: told"]
    assert oversized("wrong.py") == [f"wrong.py: {MAX_LINES + 2} lines", "wrong.py:1: told"]
    assert long_signatures("wrong.py") == [f"wrong.py: told: {MAX_ARGUMENTS + 1} arguments"]
    assert len(SOURCES) > 400
    assert len(TESTS) > 400
    assert len(CLIENT) > 3
