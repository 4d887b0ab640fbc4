"""Stage `split`: data/snapshot -> data/split."""

from pathlib import Path

from components.contracts import WINDOWS
from components.data import tables
from components.data.split import Holdout, make_split
from components.stages.run import stage, write_metrics


def main() -> None:
    """Split the snapshot into training, validation and test windows."""
    with stage("split", "data/split", "reports/split") as params:
        out = Path("data/split")
        holdout = None
        if params.selection is not None:
            holdout = Holdout(
                params.refresh.min_users,
                params.refresh.max_holdout_days,
                params.refresh.not_before,
                params.recommend.exclude_seen,
            )
        info = make_split(Path("data/snapshot"), out, params.split, params.data.as_of, params.data.memory_gib, holdout)
        metrics = {"users": float(info.n_users), "items": float(info.n_items)}
        for window in WINDOWS:
            metrics[f"{window}/events"] = float(len(tables.read_interactions(out, (window,))))
        for window in WINDOWS[1:]:
            metrics[f"{window}/users"] = float(len(tables.read_users(out, window)))
        write_metrics(Path("reports/split"), metrics)


if __name__ == "__main__":
    main()
