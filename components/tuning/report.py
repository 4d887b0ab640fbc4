"""Tables of a search and of a learning curve; the curve as JSON, table and picture."""

from collections.abc import Sequence
from pathlib import Path

from components.evaluation import plots
from components.io import write_json
from components.tuning.curve import Point
from components.tuning.winner import BestTrial


def best_trials_table(rows: Sequence[BestTrial]) -> list[dict[str, str]]:
    """Return a row for each model: metric now and of the best trial, the gain's interval, the verdict, the values."""
    return [
        {
            "model": row.model,
            "now": f"{row.present:.4f}",
            "best": f"{row.best:.4f}",
            "gain": f"{row.gain.low:+.4f} to {row.gain.high:+.4f}" if row.gain else "-",
            "better": "yes" if row.wins else "no",
            "trials": f"{row.n_trials} ({row.n_pruned} pruned, {row.n_failed} failed)",
            "changes": row.changes(),
        }
        for row in rows
    ]


def curve_table(points: Sequence[Point]) -> list[dict[str, str]]:
    """Return a row for each model and share."""
    return [
        {
            "model": p.model,
            "share": f"{100 * p.share:g} %",
            "users": str(p.n_users),
            "events": str(p.n_events),
            "value": f"{p.value:.4f}",
            "interval": f"{p.low:.4f} to {p.high:.4f}",
        }
        for p in points
    ]


def write_curve(folder: Path, points: Sequence[Point], primary: str, simulated: bool) -> None:
    """Write folder/curve.json, curve.md and curve.svg."""
    folder.mkdir(parents=True, exist_ok=True)
    shop = "simulated shop" if simulated else "shop"
    content = {"primary": primary, "window": "validation", "simulated": simulated}
    content |= {"points": [p.model_dump(mode="json") for p in points]}
    rows = curve_table(points)
    lines = [list(rows[0]), ["---"] * len(rows[0]), *(list(row.values()) for row in rows)]
    text = "".join(f"| {' | '.join(line)} |\n" for line in lines)
    title = f"{primary} on validation by share of the training users, {shop}"
    models = dict.fromkeys(p.model for p in points)
    series = {m: [plots.At(p.share, p.value, p.low, p.high) for p in points if p.model == m] for m in models}
    svg = plots.standalone(plots.curves(series, title, "Lines: means over users; whiskers: bootstrap intervals"))
    (folder / "curve.md").write_text(f"{title}\n\n{text}", encoding="utf-8")
    (folder / "curve.svg").write_text(svg, encoding="utf-8")
    write_json(folder / "curve.json", content, allow_nan=True)
