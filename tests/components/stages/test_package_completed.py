"""Stage `package` after `complete`: which of the two models answers, and what the bundle says of both."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from components.contracts import Completion
from components.io import write_record
from components.origin import read_split_origin, stamp
from components.params import Params
from components.recommenders.factory import create
from components.release.bundle import open_bundle
from components.release.checks import make_check
from components.stages.package import package
from tests.components.stages.test_package import evaluated, params, run  # noqa: F401
from tests.support import checkerboard


@pytest.mark.parametrize("ships", [True, False])
def test_a_model_that_has_learned_the_holdout_ships_beside_the_judged_one(
    evaluated: Callable[..., Path],  # noqa: F811
    params: Params,  # noqa: F811
    ships: bool,
) -> None:
    root = evaluated("a")
    interactions, catalogue, users = checkerboard()
    others = interactions.filter(np.arange(len(interactions)) % 2 == 0)
    for name in ("ease", "popularity"):
        create(name, params).fit(others, catalogue, users).save(root / "models/completed/simple" / name)
    stamp(root / "models/completed", read_split_origin(root / "data/split", root / "features"))
    done = Completion(
        judged_until="1970-01-01T00:00:00.000001+00:00", learned_until="1970-01-01T00:00:00.000003+00:00",
        models=["ease"], checks=[make_check("coverage", float(ships), 0.5, "why")],
    )  # fmt: skip
    write_record(root / "reports/complete/completion.json", done)
    bundle = open_bundle(root / "bundle", package(root, params))
    assert (bundle.info.completion, bundle.info.train_end) == (done, 1)
    assert bundle.info.learned_until == (3 if ships else 1)
    assert bundle.info.is_completed is ships
    found = {name: load_file(bundle.folder / name / "arrays.safetensors") for name in ("model", "fallback")}
    for name, folder in (("ease", "model"), ("popularity", "fallback")):
        models = root / ("models/completed" if ships else "models")
        for key, array in load_file(models / "simple" / name / "arrays.safetensors").items():
            np.testing.assert_array_equal(found[folder][key], array)
    assert (bundle.folder / "judged").is_dir() is ships
    assert (bundle.judged is bundle.model) is not ships
    assert done.describe() in (bundle.folder / "README.md").read_text(encoding="utf-8")
