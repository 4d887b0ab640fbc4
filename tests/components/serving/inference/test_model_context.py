"""Contexts of models: one for each bundle, made once, dropped when the model no longer serves."""

from pathlib import Path

from components.params import Params
from components.release.bundle import open_bundle
from components.serving.inference.histories import HistoryRow
from components.serving.inference.model_context import ModelContext, ModelContexts
from components.serving.models.watcher import ServedModel
from tests.components.serving.support import Remake


def test_a_context_is_made_once_and_dropped_when_its_model_no_longer_serves(
    bundle: Path, remake: Remake, params: Params
) -> None:
    first, second = (ServedModel(n, open_bundle(folder)) for n, folder in enumerate((bundle, remake("second")), 1))
    active: list[ServedModel | None] = [first, None]
    contexts = ModelContexts(params.language, lambda: active)
    context = contexts.get(first)
    assert contexts.get(first) is context
    active[:] = [second]
    contexts.get(second)
    assert contexts.get(first) is not context


def test_warm_up_recommends_for_the_histories_that_the_model_knows(bundle: Path, params: Params) -> None:
    opened = open_bundle(bundle)
    context = ModelContext(opened, params.language)
    context.warm_up([[HistoryRow("sku-1", "view", None)], [HistoryRow("gone", "view", None)]])
    assert {"model", "search", "catalogue"} <= set(opened.__dict__)
