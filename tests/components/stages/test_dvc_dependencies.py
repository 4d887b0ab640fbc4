"""dvc.yaml lists the code that each stage imports and the parameters that it reads, and nothing else."""

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from components.params import Params
from components.params.listing import fields
from components.release.recipe import PRIVACY as NAMES

ROOT = Path(__file__).parents[3]
STAGES: dict[str, dict[str, Any]] = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]
LEAVES = [name for name, _ in fields(Params)]

# Modules whose edits rerun no stage, and modules that a stage imports without using them, each with the reason.
NEVER = {
    "components.compat": "old names of keys, in files of earlier versions",
    "components.errors": "names of errors",
    "components.faults": "crash points, which tests set",
    "components.io": "writes files whole; their content is the caller's",
    "components.params": "the values are compared by `params:`",
    "components.redact": "what messages and the log do not show",
    "components.settings": "where this machine keeps its files",
    "components.stages.run": "log, timing and leak check around a stage; they change no output",
}
UNUSED = {
    "pretrain": {"components.recommenders.ann_index": "vectors are compared exactly"},
    "fit": {
        "components.recommenders.ann_index": "`package` builds the ANN index",
        "components.recommenders.hybrid": "fit makes simple models only",
        "components.recommenders.sequence": "fit makes simple models only",
    },
    "rank": {"components.recommenders.ann_index": "of content, only unit_rows is used"},
    "incumbent": {
        "components.ranking": "the ranker is in no contest",
        "components.search": "of the champion's bundle, its recipe and its language model are read",
    },
    "ads": {"components.recommenders.ann_index": "of content, only unit_rows is used"},
    "evaluate": {
        "components.language": "of the champion's bundle, evaluate loads the model and the catalogue only",
        "components.ranking": "of the champion's bundle, evaluate loads the model and the catalogue only",
        "components.search": "of the champion's bundle, evaluate loads the model and the catalogue only",
    },
    "complete": {"components.monitoring": "the names of checks on the data are read"},
    "drift": {
        "components.data.snapshot": "of the snapshot, the events and the products are read",
        "components.ranking": "of the champion's bundle, the model, the vectors and the encoder are read",
        "components.search": "of the champion's bundle, the model, the vectors and the encoder are read",
    },
    "package": {
        "components.ranking": "the ranker's files are copied, not read",
        "components.recommenders.factory": "says where the models are, which are copied, not read",
        "components.release.catalogue_adapter": "package loads no model",
    },
}
# Parameters that a stage does not read although their section is passed on, with the reason.
CHECKS = {"check_names", "apply"}  # functions that refuse wrong parameters, or replace them by those of a recipe
ENCODER = "the encoder reads model, max_tokens, batch_size and threads"
OTHERS = "read where `create` makes the sequence model and the hybrid"
RECIPE = "those of the champion's recipe are read"
PRIVACY = tuple(f"privacy.{name}" for name in NAMES)
NOT_NOISE = dict.fromkeys(
    ("privacy.mask", "privacy.default_consent", "privacy.unlearn_days"), "private training reads the others"
)
UNREAD = {
    "ingest": dict.fromkeys(("privacy.unlearn_days", *PRIVACY), "ingest reads kinds of personal data and the consent"),
    "incumbent": dict.fromkeys(
        ("evaluation", "gate.primary", "language", "profiles", "ranking", "release", "search", "split", "privacy"),
        RECIPE,
    ),
    "pretrain": {"language.sentiment": ENCODER},
    "encode": {"language.pretrain": ENCODER, "language.compress": ENCODER},
    "rank": {"language.pretrain": ENCODER, "language.compress": ENCODER, "language.sentiment": ENCODER} | NOT_NOISE,
    "complete": {"trainer": OTHERS}
    | dict.fromkeys(("evaluation.min_slice_users", "gate.max_latency_ms", "gate.max_slice_loss"), "the gate reads them")
    | dict.fromkeys(("evaluation.next_events", "gate.primary"), "the weights of a blend are those of the recipe")
    | dict.fromkeys((*PRIVACY[1:], "release.name"), "with privacy.epsilon nothing is completed")
    | NOT_NOISE,
    "fit": dict.fromkeys(
        ("evaluation.cold_user_events", "models.hybrid", "models.sequence", "recommend.batch_users", "trainer"), OTHERS
    )
    | NOT_NOISE,
    "finetune": NOT_NOISE,
    "package": NOT_NOISE,
}
# Parameters read only by added recommenders (docs/extending.md).
ADDED = {"fit": {"models.custom"}}


def file_of(module: str) -> Path | None:
    path = ROOT / module.replace(".", "/")
    return next((file for file in (path.with_suffix(".py"), path / "__init__.py") if file.is_file()), None)


@cache
def parsed(module: str) -> ast.Module:
    file = file_of(module)
    assert file is not None, module
    return ast.parse(file.read_text(encoding="utf-8"))


@cache
def imports(module: str) -> frozenset[str]:
    """Return the modules of components that the module imports, inside functions and as "module:Class" too."""
    tree, names, typing_only = parsed(module), set(), set()
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            typing_only |= {inner for part in node.body for inner in ast.walk(part)}
    for node in ast.walk(tree):
        if node in typing_only:
            continue
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            names |= {match[1] for match in [re.fullmatch(r"(components(?:\.\w+)+):\w+", node.value)] if match}
    return frozenset(name for name in names if name.startswith("components.") and file_of(name))


def closure(stage: str) -> set[str]:
    """Return the modules that the stage imports, directly or not, except those of NEVER and UNUSED."""
    left_out = {*NEVER, *UNUSED.get(stage, {})}
    found: set[str] = set()
    todo = [f"components.stages.{stage}"]
    while todo:
        module = todo.pop()
        if module in found or any(module == out or module.startswith(f"{out}.") for out in left_out):
            continue
        found.add(module)
        todo += imports(module)
    return found


def code_of(stage: str) -> set[str]:
    """Return the files of the closure; a package's own file counts where it holds code."""
    files = {module: file_of(module) for module in closure(stage)}
    return {
        str(file.relative_to(ROOT))
        for module, file in files.items()
        if file and (file.name != "__init__.py" or len(parsed(module).body) > 1)
    }


def listed_code(stage: str) -> list[str]:
    return [dep for dep in STAGES[stage].get("deps", []) if dep.startswith("components/")]


def covers(dep: str, file: str) -> bool:
    return file == dep or file.startswith(f"{dep}/")


CACHED = sorted(stage for stage, content in STAGES.items() if not content.get("always_changed"))


@pytest.mark.parametrize("stage", CACHED)
def test_a_stage_depends_on_all_code_that_it_imports(stage: str) -> None:
    missing = {file for file in code_of(stage) if not any(covers(dep, file) for dep in listed_code(stage))}
    assert missing == set(), f"dvc.yaml: add them to the deps of {stage}"


@pytest.mark.parametrize("stage", CACHED)
def test_a_stage_depends_on_no_code_that_it_does_not_import(stage: str) -> None:
    unused = [dep for dep in listed_code(stage) if not any(covers(dep, file) for file in code_of(stage))]
    assert unused == [], f"dvc.yaml: take them out of the deps of {stage}"


@pytest.mark.parametrize(
    ("file", "stages"),
    [
        ("components/language/reviews.py", {"encode"}),
        ("components/language/sentiment.py", {"encode", "rank"}),  # rank measures by the same AUC
        ("components/language/pretrain.py", {"pretrain"}),
        (
            "components/recommenders/hybrid.py",
            {"fit", "blend", "incumbent", "evaluate", "complete", "drift", "package"},
        ),  # fit: the folder, for models that are added
        ("components/monitoring/windows.py", {"drift"}),
    ],
)
def test_an_edit_reruns_only_the_stages_that_use_the_file(file: str, stages: set[str]) -> None:
    """pretrain takes longest: work on sentiment must not rerun it."""
    assert {stage for stage in CACHED if any(covers(dep, file) for dep in listed_code(stage))} == stages


def test_each_exclusion_is_needed() -> None:
    """A module that nothing imports needs no exclusion."""
    for stage, modules in UNUSED.items():
        reached = {name for module in closure(stage) for name in imports(module)}
        for module in modules:
            assert any(name == module or name.startswith(f"{module}.") for name in reached), (stage, module)
    every = {name for stage in CACHED for module in closure(stage) for name in imports(module)}
    assert set(NEVER) <= every


def chains(tree: ast.AST, root: str) -> Iterator[str]:
    """Yield "models.ease.l2" for each whole expression such as `params.models.ease.l2`."""
    inner = {node.value for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    for node in ast.walk(tree):
        parts, value = [], node
        while isinstance(value, ast.Attribute):
            parts.append(value.attr)
            value = value.value
        if parts and node not in inner and isinstance(value, ast.Name) and value.id == root:
            yield ".".join(reversed(parts))


def called(tree: ast.AST) -> set[str]:
    """Return the names of all functions and methods that the code calls."""
    functions = [node.func for node in ast.walk(tree) if isinstance(node, ast.Call)]
    names = {function.id for function in functions if isinstance(function, ast.Name)}
    return names | {function.attr for function in functions if isinstance(function, ast.Attribute)}


def takes_params(module: str) -> Iterator[tuple[ast.FunctionDef, str]]:
    """Yield each function of the module that has an argument of type Params, and the argument's name."""
    for node in ast.walk(parsed(module)):
        if isinstance(node, ast.FunctionDef):
            for argument in (*node.args.args, *node.args.kwonlyargs):
                if argument.annotation is not None and ast.unparse(argument.annotation) == "Params":
                    yield node, argument.arg


def read_by(stage: str) -> set[str]:
    """Return the parameters that the stage reads: in `main`, and in functions that get all of them.

    A section that is passed on stands for all parameters below it.
    """
    tree = parsed(f"components.stages.{stage}")
    main = next(node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == "main")
    expressions, names = set(chains(main, "params")), called(main)
    others = [found for module in closure(stage) for found in takes_params(module) if found[0].name not in CHECKS]
    while new := [found for found in others if found[0].name in names]:
        others = [found for found in others if found not in new]
        for function, argument in new:
            expressions |= set(chains(function, argument))
            names |= called(function)
    found = set()
    for expression in expressions:
        parts = expression.split(".")
        sections = [".".join(parts[:n]) for n in range(len(parts), 0, -1)]  # the last parts may be methods of a value
        section = next(name for name in sections if any(_below(leaf, name) for leaf in LEAVES))
        found |= {leaf for leaf in LEAVES if _below(leaf, section)}
    return {leaf for leaf in found if not any(_below(leaf, unread) for unread in UNREAD.get(stage, {}))}


def _below(leaf: str, name: str) -> bool:
    return leaf == name or leaf.startswith(f"{name}.")


def listed_params(stage: str) -> list[str]:
    return [name for entry in STAGES[stage].get("params", []) for names in entry.values() for name in names]


@pytest.mark.parametrize("stage", CACHED)
def test_a_stage_lists_the_parameters_that_it_reads(stage: str) -> None:
    missing = {leaf for leaf in read_by(stage) if not any(_below(leaf, name) for name in listed_params(stage))}
    assert missing == set(), f"dvc.yaml: add them to the params of {stage}"


@pytest.mark.parametrize("stage", CACHED)
def test_listed_parameters_exist_and_are_read(stage: str) -> None:
    read = read_by(stage) | ADDED.get(stage, set())
    unknown = [name for name in listed_params(stage) if not any(_below(leaf, name) for leaf in read)]
    assert unknown == [], f"dvc.yaml: take them out of the params of {stage}"
