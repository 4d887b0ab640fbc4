"""One HTML page about drift, Carousel's verdict above Evidently's plots of the same samples; and Evidently's snapshot.

Evidently decides nothing: it gets Carousel's methods and limits, and only the columns of the verdict, because it
reports a missing column as "no drift". Its ids are random; `replace_ids` makes the bytes of the page reproducible.
"""

import html
import json
import re
import tempfile
import warnings
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

from components.contracts import DriftVerdict
from components.monitoring.snapshots import FILE
from components.monitoring.windows import CATEGORIES, COLUMNS, Sample

ID = re.compile(
    r"\b[0-9a-f]{8}-?[0-9a-f]{4}-?[1-7][0-9a-f]{3}-?[89ab][0-9a-f]{3}-?[0-9a-f]{12}\b|(?<=metric_)[0-9a-f]{32}"
)
UUIDS = re.compile(r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b")
# parameters of metrics that differ between runs, because limits depend on the data
VARYING = ("threshold", "per_column_threshold", "columns", "per_column_method", "drift_share")
STYLE = "font: 15px/1.5 system-ui, sans-serif; max-width: 960px; margin: 24px auto; padding: 0 16px; color: #222"


def write_report(path: Path, verdict: DriftVerdict, reference: Sample | None, current: Sample) -> None:
    """Write the page, and beside it the snapshot for Evidently's workspace.

    Without compared columns the page has the verdict alone, and there is no snapshot.
    """
    page = '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"></head><body></body></html>\n'
    if reference is not None and set(verdict.columns) & set(COLUMNS):
        page, snapshot = _evidently(verdict, reference, current)
        page = replace_ids(page)
        (path.parent / FILE).write_text(_replace_uuids(snapshot), encoding="utf-8")
    opening = re.search(r"<body[^>]*>", page)
    at = opening.end() if opening else 0
    path.write_text(page[:at] + _summary(verdict) + page[at:], encoding="utf-8")


def replace_ids(page: str) -> str:
    """Return the page with each random id replaced by a number in order of appearance, with 32 digits."""
    seen: dict[str, str] = {}
    return ID.sub(lambda m: seen.setdefault(m.group(), f"{len(seen) + 1:032d}"), page)


def _replace_uuids(text: str) -> str:
    """Return the JSON with each random UUID replaced by a number in order of appearance, which is a UUID, too."""
    seen: dict[str, str] = {}
    return UUIDS.sub(lambda m: seen.setdefault(m.group(), str(UUID(int=len(seen) + 1))), text)


def _drop_params(tree: Any) -> None:
    """Remove what differs between runs from the metrics' parameters: Evidently draws one line for each combination."""
    for value in tree.values() if isinstance(tree, dict) else tree if isinstance(tree, list) else ():
        _drop_params(value)
    if isinstance(tree, dict) and tree.get("metric_value_location"):
        params = tree["metric_value_location"]["metric"]["params"]
        for name in VARYING:
            params.pop(name, None)


def _evidently(verdict: DriftVerdict, reference: Sample, current: Sample) -> tuple[str, str]:
    """Return the page and the snapshot in JSON, both with random ids."""
    names = [name for name in verdict.columns if name in COLUMNS]  # texts have no sample to show
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of third-party code, at import and while plotting
        from evidently import DataDefinition, Dataset, Report
        from evidently.legacy.utils import NumpyEncoder
        from evidently.presets import DataDriftPreset

        definition = DataDefinition(
            categorical_columns=[n for n in names if n in CATEGORIES],
            numerical_columns=[n for n in names if n not in CATEGORIES],
        )
        data = [Dataset.from_pandas(_frame(s, names), data_definition=definition) for s in (current, reference)]
        preset = DataDriftPreset(
            columns=names,
            drift_share=verdict.thresholds["drifted_share"],
            per_column_method={n: "jensenshannon" if n in CATEGORIES else "wasserstein" for n in names},
            per_column_threshold={n: verdict.thresholds[n] for n in names},
        )
        about = {"reference": verdict.reference, "drifted": str(verdict.drifted).lower()}
        at = datetime.fromisoformat(current.window.end).astimezone(UTC).replace(tzinfo=None)
        snapshot = Report([preset], metadata=about).run(*data, timestamp=at)
        tree = snapshot.to_snapshot_model().dict()
        _drop_params(tree["metric_results"])
        stored = json.dumps(tree, cls=NumpyEncoder)
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "report.html"
            snapshot.save_html(str(file))
            return file.read_text(encoding="utf-8"), stored


def _frame(sample: Sample, names: list[str]) -> Any:
    frame = sample.rows.select(names).to_pandas()
    for name in set(names) & set(CATEGORIES):
        # Evidently does not escape values inside of a script: "</script>" would end it
        frame[name] = frame[name].fillna("(none)").str.replace("<", "‹")
    return frame


def _summary(verdict: DriftVerdict) -> str:
    word = "Drifted" if verdict.drifted else "No drift"
    if not verdict.computable:
        word = "Drifted, and not all of it could be computed" if verdict.drifted else "Not computable"
    reasons = "".join(f"<li>{html.escape(r)}</li>" for r in verdict.reasons)
    rows = "".join(
        f"<tr><td>{html.escape(name)}</td><td>{value:.3f}</td><td>{verdict.thresholds[name]:.3f}</td>"
        f"<td>{'over' if value > verdict.thresholds[name] else ''}</td></tr>"
        for name, value in verdict.columns.items()
    )
    return (
        f'<section style="{STYLE}"><h1>{word}</h1><p>Reference: {html.escape(verdict.reference)}, '
        f"{verdict.n_reference} events sampled; current window: {verdict.n_current}. The verdict is Carousel's own; "
        f"Evidently shows it below.</p><ul>{reasons}</ul><table cellpadding='4'><tr><th align='left'>column</th>"
        f"<th>distance</th><th>limit</th><th></th></tr>{rows}</table></section>"
    )
