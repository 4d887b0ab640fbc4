"""What the gates ask of the data of a view, as the stage `drift` computes it: drift, and the guardrails on the data."""

from __future__ import annotations

from datetime import datetime, timedelta

from components.backtest.engine import Engine, FittedModel, View
from components.contracts import Check, DriftVerdict
from components.monitoring import drift
from components.monitoring.data_checks import check_data
from components.monitoring.windows import Sample, sample_window
from components.times import to_datetime


def watch(engine: Engine, view: View, champion: FittedModel | None) -> DriftVerdict:
    """Return the drift of the view's last days against the last days that the champion learned from.

    The reference holds no fault: it was stored with the champion. Without a champion, it is the view's own past.
    """
    section = engine.params.drift
    end = view.as_of - timedelta(days=section.window_days)
    if champion is not None:
        end = min(end, to_datetime(champion.fit_end))
    reference = _sample(engine, View(view.as_of, view.fault if champion is None else None), end, 0)
    current = _sample(engine, view, view.as_of, 1)
    source = "own training window" if champion is None else "champion"
    return drift.judge(reference, current, source, view.as_of, section, engine.params.seed)


def check_view(engine: Engine, view: View, champion: FittedModel | None) -> list[Check]:
    """Return the guardrails on the view's data, compared with the champion's products where there is a champion."""
    params = engine.params
    known = engine.folder_of(champion) / "items.parquet" if champion is not None else None
    found = check_data(engine.cut(view), view.as_of, params.data_checks, params.data.memory_gib, known)
    return list(found.checks)


def _sample(engine: Engine, view: View, end: datetime, number: int) -> Sample:
    section, memory = engine.params.drift, engine.params.data.memory_gib
    seed = engine.params.seed + number
    return sample_window(engine.cut(view), end, section.window_days, section.sample, seed, memory)
