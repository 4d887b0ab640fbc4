"""Splits, fits and scores of a backtest."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest

from components.backtest.engine import Engine, View, fit_inputs, reads_texts
from components.data.split import Holdout
from components.data.tables import read_info, read_interactions, read_users
from components.language.encoder import Encoder
from components.params import LanguageParams
from components.times import to_micros
from tests.components.backtest.support import EVERGREEN, ITEMS_OF_A_SEASON, N_USERS, day, make_params

AT = day(70)
Engines = Callable[..., Engine]


def test_a_split_has_the_windows_of_a_retrain_or_a_holdout(engine: Engine) -> None:
    plain = read_info(engine.split(View(AT), engine.params))
    assert (plain.fit_end, plain.test_end) == (to_micros(AT - timedelta(days=17)), to_micros(AT))
    short = engine.split(View(AT), engine.params, Holdout(10, 7, None, False))
    assert read_info(short).fit_end == to_micros(AT - timedelta(days=1))  # every user buys every day
    assert engine.split(View(AT), engine.params, Holdout(10, 7, None, False)) == short
    assert engine.split(View(AT), engine.params, Holdout(10, 7, AT - timedelta(days=3), False)) != short


def test_a_view_knows_only_what_was_there(engine: Engine) -> None:
    info = read_info(engine.split(View(AT), engine.params))
    assert info.n_items == EVERGREEN + 5 * ITEMS_OF_A_SEASON  # those of the fortnights before day 70
    assert info.n_users == N_USERS


def test_a_fit_is_made_once_and_never_learns_from_later_events(engine: Engine) -> None:
    split = engine.split(View(AT), engine.params)
    model = engine.fit(View(AT), split, "ease", engine.params)
    assert (model.name, model.fit_end) == ("ease", to_micros(AT - timedelta(days=17)))
    assert model.cpu_s > 0
    files = {file: file.stat().st_mtime_ns for file in engine.cache.folder.rglob("*") if file.is_file()}
    assert engine.fit(View(AT), split, "ease", engine.params) == model
    assert {file: file.stat().st_mtime_ns for file in engine.cache.folder.rglob("*") if file.is_file()} == files
    everything = engine.fit(View(AT), split, "ease", engine.params, everything=["ease"])
    assert everything.fit_end == to_micros(AT)
    last = slice(EVERGREEN + 4 * ITEMS_OF_A_SEASON + 1, None)  # items of the fortnight that the retrain holds out
    users = read_users(split, "test")
    assert engine.load(model).score(users)[:, last].max() == 0
    assert engine.load(everything).score(users)[:, last].max() > 0


def test_a_fit_depends_on_the_fault_and_on_the_parameters(engine_of: Engines) -> None:
    keys = []
    for fault, sets in ((None, ()), ("doubled", ()), (None, ("models.ease.l2=50",)), (None, ("seed=7",))):
        engine = engine_of(*sets)
        view = View(AT, fault)
        keys.append(engine.fit(view, engine.split(view, engine.params), "ease", engine.params).key)
    assert len(set(keys)) == 4


@pytest.mark.parametrize(
    ("name", "sets", "shared"),
    [
        ("ease", "models.als.factors=3", True),
        ("ease", "models.ease.l2=50", False),
        ("ease", "split.weights={purchase: 2.0}", False),
        ("content", "language.max_tokens=20", False),
        ("hybrid", "models.als.factors=3", False),
        ("sequence", "trainer.max_epochs=3", False),
    ],
)
def test_policies_share_a_fit_of_equal_parameters(name: str, sets: str, shared: bool) -> None:
    assert (fit_inputs(make_params(), name) == fit_inputs(make_params(sets), name)) is shared


def test_a_score_is_that_of_the_users_of_the_period_without_the_fault(engine: Engine) -> None:
    view = View(AT, "gap")
    model = engine.fit(view, engine.split(view, engine.params), "popularity", engine.params, everything=["popularity"])
    score = engine.score(model, day(70), day(72))
    split = engine.period_split(day(70), day(72))
    users = read_users(split, "test")
    assert score.n_users == N_USERS == len(users)
    assert users.history.timestamp.max() >= to_micros(day(69))  # the days that the fault left out
    assert 0 < score.value < 0.5  # day 70 begins a new fortnight: the model knows half of what is bought


def test_scores_of_equal_models_by_other_catalogues_are_equal(engine: Engine) -> None:
    """A model keeps its own catalogue: the value does not depend on the one that it is scored on."""
    view = View(day(60))
    model = engine.fit(view, engine.split(view, engine.params), "ease", engine.params)
    own = read_interactions(engine.period_split(day(60), day(62)), ("test",))
    later = read_interactions(engine.period_split(day(60), day(68)), ("test",))
    assert later.n_items == own.n_items  # the fortnight ends on day 70
    users = read_users(engine.period_split(day(60), day(62)), "test")
    adapted = engine.adapt(model, ["", *(f"i{number:03d}" for number in range(own.n_items - EVERGREEN))])
    unknown = engine.adapt(model, ["", *(f"other{number}" for number in range(own.n_items))])
    assert np.isfinite(adapted.score(users.take(np.arange(0)))[:, 1:]).all()
    assert not np.isfinite(unknown.score(users)).any()


@pytest.mark.parametrize(
    ("name", "expected"),
    [("popularity", False), ("ease", False), ("als", False), ("content", True), ("sequence", True), ("hybrid", True)],
)
def test_texts_are_encoded_for_models_that_read_them(name: str, expected: bool) -> None:
    assert reads_texts(name) is expected
    assert ("language" in fit_inputs(make_params(), name)) is expected


def test_the_encoder_is_loaded_once_for_all_dates(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    loaded, load = list[Path](), Encoder.load

    def count(folder: Path, section: LanguageParams) -> Encoder:
        loaded.append(folder)
        return load(folder, section)

    monkeypatch.setattr(Encoder, "load", count)
    for at in (day(63), day(70)):
        catalogue = engine.catalogue(engine.split(View(at), engine.params), "content", engine.params)
        assert catalogue.embedding is not None
        assert np.allclose(np.linalg.norm(catalogue.embedding[1:].astype(np.float32), axis=1), 1, atol=0.01)
    assert len(loaded) <= 1
