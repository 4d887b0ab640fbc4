"""Stage `drift`: the last days of the shop against the champion's training window -> reports/drift."""

import math
from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file

from components.contracts import DriftVerdict
from components.data.later_events import later_events
from components.io import write_json, write_record
from components.language.encoder import Encoder
from components.monitoring import drift, prediction_drift, report, text_drift, windows
from components.monitoring.data_checks import DATA_CHECKS, PREFIX, DataChecks, check_data
from components.monitoring.text_drift import Shift
from components.params import Params
from components.stages.champion_ref import read_champion_ref
from components.stages.run import SUMMARY, stage, write_metrics, write_table
from components.times import to_micros

HEADLINE = ("drifted_share", "volume_ratio", "age_hours")  # of the metrics, those in the summary


def judge_drift(root: Path, params: Params) -> DriftVerdict:
    """Write drift.json, drift.html, data_checks.json, reference.parquet and metrics.json; return the first.

    reference.parquet goes into the bundle. It is a sample of this run's training window; in a refresh it is the
    champion's, because drift is measured from the data that the recipe was selected on. drift.json is written last.
    """
    out = root / "reports/drift"
    own = _sample(root, params, training_end(params), params.seed)
    champion, reference = read_reference(root / "champion", own)
    stored = reference if params.selection is not None and reference is not None else own
    windows.save(stored, out / "reference.parquet")
    current = _sample(root, params, params.data.as_of, params.seed + 1)
    texts = compare_texts(root, params, reference)
    lists = compare_lists(root, params, reference)
    verdict = drift.judge(reference, current, champion, params.data.as_of, params.drift, params.seed, texts, lists)
    report.write_report(out / "drift.html", verdict, reference, current)
    checks = check_data_of(root, params)
    write_record(out / DATA_CHECKS, checks)
    numbers = flat(verdict, reference, current, params.data.as_of)
    write_metrics(out, numbers | check_values(checks))
    write_summary(root / SUMMARY, verdict, numbers)
    write_record(out / "drift.json", verdict)
    return verdict


def write_summary(out: Path, verdict: DriftVerdict, numbers: Mapping[str, float]) -> None:
    """Write the headline numbers to drift.json, and each column's distance with its limit to drift.csv."""
    out.mkdir(parents=True, exist_ok=True)
    write_json(out / "drift.json", {name: numbers[name] for name in HEADLINE if name in numbers})
    rows = [(name, distance, verdict.thresholds[name]) for name, distance in verdict.columns.items()]
    write_table(out / "drift.csv", ("column", "distance", "limit"), [row for row in rows if math.isfinite(row[1])])


def compare_texts(root: Path, params: Params, reference: windows.Sample | None) -> list[Shift]:
    """Return how far new products and queries are from the champion's; [] where no bundle with an encoder serves."""
    bundle = root / "champion/bundle"
    if read_champion_ref(root / "champion") is None or reference is None or not (bundle / "encoder").is_dir():
        return []
    encoder = Encoder(bundle / "encoder", params.language)
    vectors = load_file(bundle / "items.safetensors")["embedding"].astype(np.float32)
    snapshot, section, seed = root / "data/snapshot", params.drift, params.seed
    end = datetime.fromisoformat(reference.window.end)
    return [
        text_drift.compare_products(
            snapshot, bundle / "items.parquet", vectors, encoder.encode, section.max_distance, seed
        ),
        text_drift.compare_queries(
            snapshot, end, params.data.as_of, section.window_days, encoder.encode, section.max_distance, seed
        ),
    ]


def compare_lists(root: Path, params: Params, reference: windows.Sample | None) -> Shift | None:
    """Return how far the champion's lists are from those for the users of its reference; None where none serves."""
    folder, ref = root / "champion/bundle", read_champion_ref(root / "champion")
    if ref is None or reference is None or not (folder / "model").is_dir():
        return None
    from components.release.bundle import adapt_to_catalogue, open_bundle

    bundle = open_bundle(folder, ref.digest)
    days, ends = params.drift.window_days, (datetime.fromisoformat(reference.window.end), params.data.as_of)
    samples = []
    with later_events(root / "data/snapshot", params.split, params.data.memory_gib) as read:
        for end in ends:
            events = read(to_micros(end - timedelta(days=days)), to_micros(end))
            samples.append(prediction_drift.users_of_window(events, end, days))
    vectors = load_file(folder / "items.safetensors")["embedding"].astype(np.float32)
    own = vectors[[bundle.index.get(name, 0) for name in events.item_ids]]  # item_idx 0 is padding: zeros
    model = adapt_to_catalogue(bundle, events.item_ids)
    return prediction_drift.compare_lists(model, own, samples[0], samples[1], params)


def check_data_of(root: Path, params: Params) -> DataChecks:
    """Return the guardrails on the snapshot, compared with the products of the bundle that serves."""
    known = root / "champion/bundle/items.parquet"
    serves = read_champion_ref(root / "champion") is not None and known.exists()
    snapshot = root / "data/snapshot"
    return check_data(
        snapshot, params.data.as_of, params.data_checks, params.data.memory_gib, known if serves else None
    )


def check_values(checks: DataChecks) -> dict[str, float]:
    """Return "data/volume" and the like: how far each check is from what is expected."""
    return {
        check.name.replace(PREFIX, "data/").replace(" ", "_"): check.value
        for check in checks.checks
        if check.value is not None
    }


def training_end(params: Params) -> datetime:
    """Return the end of the training window, at least drift.window_days before as_of: the windows do not overlap."""
    held_out = params.split.validation_days + params.split.test_days
    if params.split.protocol == "leave_one_out":
        held_out = 0.0
    return params.data.as_of - timedelta(days=max(held_out, params.drift.window_days))


def read_reference(champion: Path, own: windows.Sample) -> tuple[str, windows.Sample | None]:
    """Return the name of the reference and its sample; None where the champion's bundle holds no sample."""
    ref = read_champion_ref(champion)
    if ref is None:
        return "own training window", own
    reference = champion / "bundle/drift_reference.parquet"
    return f"champion {ref.version}", windows.load(reference) if reference.exists() else None


def flat(
    verdict: DriftVerdict, reference: windows.Sample | None, current: windows.Sample, as_of: datetime
) -> dict[str, float]:
    """Return "drift/category" and the like, and the values of the alarms; NaN and infinity are left out."""
    out = {f"drift/{name}": value for name, value in verdict.columns.items()}
    out |= {
        "drifted": float(verdict.drifted),
        "computable": float(verdict.computable),
        "drifted_share": drift.drifted_share(verdict),
        "age_hours": drift.age_hours(current, as_of),
        "events_per_day": current.window.events_per_day,
    }
    if reference is not None and reference.window.n_events:
        out["volume_ratio"] = drift.volume_ratio(reference, current)
    return {name: value for name, value in out.items() if math.isfinite(value)}


def _sample(root: Path, params: Params, end: datetime, seed: int) -> windows.Sample:
    section = params.drift
    snapshot = root / "data/snapshot"
    return windows.sample_window(snapshot, end, section.window_days, section.sample, seed, params.data.memory_gib)


def main() -> None:
    """Judge drift in the current folder."""
    with stage("drift", "reports/drift") as params:
        judge_drift(Path(), params)


if __name__ == "__main__":
    main()
