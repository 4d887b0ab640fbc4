"""What a replay computes: splits as of a date, fitted models, and the quality of a model in a later period.

Everything is stored by the digest of its inputs (cache.py), so policies that need the same fit make it once.
"""

from __future__ import annotations

import logging
import shutil
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from components.backtest.cache import Cache, cpu_clock, read_cached
from components.backtest.cuts import cut_snapshot
from components.contracts import WINDOWS, Catalogue, Recommender, Record
from components.data.split import Holdout, make_split
from components.data.tables import read_catalogue, read_info, read_training, read_users
from components.evaluation.metrics import user_means
from components.evaluation.out_of_fold import write_out_of_fold
from components.evaluation.protocol import blend_users, question_users, rank
from components.io import write_record
from components.language.cache import encode_cached
from components.language.encoder import Encoder, resolve_model
from components.params import LanguageParams, ModelsParams, Params
from components.recommenders.cold_items import ColdItemSmoother
from components.recommenders.factory import MODELS, SIMPLE, create, load_model, model_class
from components.release.catalogue_adapter import CatalogueAdapter
from components.release.recipe import ASIDE
from components.times import DAY_S, to_iso

log = logging.getLogger("backtest")
LEARNS_ALONE = {name for name in SIMPLE if name in ModelsParams.model_fields}  # from the training window only


@dataclass(frozen=True)
class View:
    """The shop's data as the loop sees them at one moment; fault: planted in them (a name in FAULTS), or None."""

    as_of: datetime
    fault: str | None = None

    def inputs(self) -> dict[str, Any]:
        """Return what identifies the view in keys of the cache."""
        return {"as_of": self.as_of.isoformat(), "fault": self.fault}


class FittedModel(Record):
    """A model on disk in the backtest's cache: what it is, and what it was fitted on."""

    key: str  # digest of its inputs; the name of its folder
    name: str  # recommender
    as_of: str  # ISO; its catalogue is the one of this moment
    fault: str | None  # planted in the data that it learned from
    fit_end: int  # microseconds: it learned from events before
    cpu_s: float  # of the fit, the parts of a blend included
    epochs: int | None = None  # of a model that is trained in epochs


class PeriodScore(Record):
    """The quality of one model for the users of one period."""

    value: float  # mean of evaluation.primary
    n_users: int
    cpu_s: float


@dataclass(frozen=True)
class Engine:
    """The snapshot at the end of the backtest, the run's parameters, and the cache of what was computed of them."""

    snapshot: Path
    params: Params
    cache: Cache
    embeddings: Path  # cache of text vectors, shared with the other runs of the machine

    def cut(self, view: View) -> Path:
        """Return the folder of the snapshot as of the view."""
        memory = self.params.data.memory_gib
        return self.cache.files(
            "cuts", view.inputs(), lambda out: cut_snapshot(self.snapshot, out, view.as_of, view.fault, memory)
        )

    def split(self, view: View, params: Params, holdout: Holdout | None = None) -> Path:
        """Return the folder of the view's split: by params.split, or with the holdout of a pass with a recipe."""
        inputs = view.inputs() | {"split": params.split.model_dump(mode="json")}
        if holdout is not None:
            not_before = holdout.not_before.isoformat() if holdout.not_before else None
            inputs["holdout"] = asdict(holdout) | {"not_before": not_before}

        def make(out: Path) -> None:
            make_split(self.cut(view), out, params.split, view.as_of, params.data.memory_gib, holdout)

        return self.cache.files("splits", inputs, make)

    def fit(self, view: View, split: Path, name: str, params: Params, everything: Collection[str] = ()) -> FittedModel:
        """Return the model, fitted on the split's windows to learn from.

        everything: the models, this one or parts of it, that learn from all events of the split instead.
        """
        info = read_info(split)
        windows = WINDOWS if name in everything else info.fit_windows
        fit_end = info.test_end if name in everything else info.fit_end
        inputs = view.inputs() | fit_inputs(params, name) | {"fit_end": fit_end, "name": name}
        if name == "hybrid":
            from components.recommenders.hybrid import blend_parts

            mixed = name in everything and "sequence" in blend_parts(params) and "sequence" not in everything
            inputs |= {"sequence_fit_end": info.fit_end} if mixed else {}
        if params.selection is None and name not in LEARNS_ALONE:  # the validation window takes part in the fit
            inputs["validation"] = [info.train_end, info.validation_end]
            inputs |= question_inputs(params) if name == "hybrid" else {}
        key = self.cache.key("fits", inputs)

        def make(out: Path) -> None:
            parts = {}
            if name == "hybrid":
                from components.recommenders.hybrid import blend_parts

                parts = {p: self.fit(view, split, p, params, everything) for p in blend_parts(params)}
            with cpu_clock() as clock:
                model = self._fitted(split, windows, name, params, parts)
                model.save(out / "model")
            if getattr(model, "out_of_fold", None) is not None:
                write_out_of_fold(out, model.out_of_fold)
            shutil.copyfile(split / "items.parquet", out / "items.parquet")
            fitted = FittedModel(
                key=key,
                name=name,
                as_of=view.as_of.isoformat(),
                fault=view.fault,
                fit_end=fit_end,
                cpu_s=round(clock.seconds + sum(part.cpu_s for part in parts.values()), 3),
                epochs=getattr(model, "best_epoch", None),
            )
            log.info("%s as of %s, events before %s: %.1f s of CPU", name, view.as_of, to_iso(fit_end), fitted.cpu_s)
            write_record(out / "fitted.json", fitted)

        return read_cached(self.cache.files("fits", inputs, make) / "fitted.json", FittedModel)

    def load(self, fitted: FittedModel) -> Recommender:
        """Return the model, by the catalogue that it was fitted on."""
        return load_model(self.folder_of(fitted) / "model")

    def folder_of(self, fitted: FittedModel) -> Path:
        """Return the model's folder: model/, items.parquet, fitted.json."""
        return self.cache.folder / "fits" / fitted.key

    def adapt(self, fitted: FittedModel, item_ids: list[str]) -> Recommender:
        """Return the model as "champion" by the item_idx of another catalogue, as a bundle would be evaluated."""
        own = read_catalogue(self.folder_of(fitted)).item_id
        return CatalogueAdapter(self.load(fitted), {item: i for i, item in enumerate(own)}, item_ids)

    def score(self, fitted: FittedModel, start: datetime, end: datetime) -> PeriodScore:
        """Return the model's quality for the users of the period, by the question of gate.primary."""
        section, metric = self.params.recommend, self.params.evaluation.primary
        k = int(metric.rsplit("_", 1)[1])

        def make() -> PeriodScore:
            split = self.period_split(start, end)
            users, catalogue = question_users(split, "test", self.params), read_catalogue(split)
            with cpu_clock() as clock:
                model = self.adapt(fitted, catalogue.item_id)
                lists = rank(model, users, k, section.exclude_seen, len(catalogue), section.batch_users)
            values = user_means(lists, users, [k])[metric]
            return PeriodScore(value=float(values.mean(dtype=np.float64)), n_users=len(values), cpu_s=clock.seconds)

        inputs = {"model": fitted.key, "start": start.isoformat(), "end": end.isoformat(), "metric": metric}
        inputs |= section.model_dump(mode="json") | question_inputs(self.params)
        return self.cache.record("scores", inputs, PeriodScore, make)

    def period_split(self, start: datetime, end: datetime) -> Path:
        """Return the split whose test window is the period, without any fault: what truly happened."""
        days = (end - start).total_seconds() / DAY_S
        section = self.params.split.model_copy(update={"test_days": days, "validation_days": days})
        return self.split(View(end), self.params.model_copy(update={"split": section}))

    def catalogue(self, split: Path, name: str, params: Params) -> Catalogue:
        """Return the split's catalogue, with text vectors where the model reads them."""
        catalogue = read_catalogue(split)
        if not reads_texts(name):
            return catalogue
        encoder = _encoder(resolve_model(params.language.model), params.language.model_dump_json())
        return replace(catalogue, embedding=encode_cached(encoder, catalogue.text, self.embeddings))

    def _fitted(
        self, split: Path, windows: tuple[str, ...], name: str, params: Params, parts: Mapping[str, FittedModel]
    ) -> Any:
        events, catalogue = read_training(split, windows), self.catalogue(split, name, params)
        if name != "hybrid":
            return create(name, params).fit(events, catalogue, read_users(split, "validation"))
        from components.recommenders.hybrid import HybridRecommender

        model = HybridRecommender.of_parts({part: self.load(fitted) for part, fitted in parts.items()}, params)
        smoother = ColdItemSmoother.of(events, catalogue, params.models.hybrid.cold_item_neighbour_pool)
        return model.blend(blend_users(split, params), events.n_items, smoother, max(params.evaluation.ks))


@lru_cache(maxsize=1)
def _encoder(model: Path, section: str) -> Encoder:
    return Encoder.load(model, LanguageParams.model_validate_json(section))


def fit_inputs(params: Params, name: str) -> dict[str, Any]:
    """Return the parameters that a fit depends on."""
    texts = {"language"} if reads_texts(name) else set()
    if name in LEARNS_ALONE:  # neither other models nor what a recipe selected changes it
        content = params.model_dump(mode="json", include={"seed", "split", "recommend"} | texts)
        return content | {"model": getattr(params.models, name).model_dump(mode="json")}
    sections = {"seed", "split", "recommend", "models", "trainer", "selection"}
    content = params.model_dump(mode="json", include=sections | texts)
    if params.selection is not None:
        content["selection"] = params.selection.model_dump(mode="json", exclude=ASIDE)
    return content | {"cold_user_events": params.evaluation.cold_user_events}


def question_inputs(params: Params) -> dict[str, Any]:
    """Return what of the question about time is in keys of the cache; {} for histories frozen at the cut."""
    question = params.gate.primary
    return {} if question == "global_time" else {"question": question, "next_events": params.evaluation.next_events}


def reads_texts(name: str) -> bool:
    """Return whether the model needs text vectors: it scores items without events by their texts."""
    return MODELS[name].stage != "fit" or model_class(name).scores_cold_items
