"""One HTML page about drift: Carousel's verdict, and below it Evidently's plots of the same samples.

Evidently decides nothing: it gets Carousel's methods and limits, and only the columns of the verdict, because it
reports a missing column as "no drift". Its ids are random; `replace_ids` makes the bytes of the page reproducible.
"""

import html
import re
import tempfile
import warnings
from pathlib import Path
from typing import Any

from components.contracts import DriftVerdict
from components.monitoring.windows import CATEGORIES, COLUMNS, Sample

ID = re.compile(
    r"\b[0-9a-f]{8}-?[0-9a-f]{4}-?[1-7][0-9a-f]{3}-?[89ab][0-9a-f]{3}-?[0-9a-f]{12}\b|(?<=metric_)[0-9a-f]{32}"
)
STYLE = "font: 15px/1.5 system-ui, sans-serif; max-width: 960px; margin: 24px auto; padding: 0 16px; color: #222"


def write_report(path: Path, verdict: DriftVerdict, reference: Sample | None, current: Sample) -> None:
    """Write the page; without compared columns it has the verdict alone."""
    page = '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"></head><body></body></html>\n'
    if reference is not None and set(verdict.columns) & set(COLUMNS):
        page = replace_ids(_evidently(verdict, reference, current))
    opening = re.search(r"<body[^>]*>", page)
    at = opening.end() if opening else 0
    path.write_text(page[:at] + _summary(verdict) + page[at:], encoding="utf-8")


def replace_ids(page: str) -> str:
    """Return the page with each random id replaced by a number in order of appearance, with 32 digits."""
    seen: dict[str, str] = {}
    return ID.sub(lambda m: seen.setdefault(m.group(), f"{len(seen) + 1:032d}"), page)


def _evidently(verdict: DriftVerdict, reference: Sample, current: Sample) -> str:
    names = [name for name in verdict.columns if name in COLUMNS]  # texts have no sample to show
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of third-party code, at import and while plotting
        from evidently import DataDefinition, Dataset, Report
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
        snapshot = Report([preset]).run(*data)
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "report.html"
            snapshot.save_html(str(file))
            return file.read_text(encoding="utf-8")


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
