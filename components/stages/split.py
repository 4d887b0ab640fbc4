"""Stage `split`: data/snapshot -> data/split."""

from pathlib import Path

from components.contracts import WINDOWS
from components.data import tables
from components.data.split import holdout_of, make_split
from components.stages.run import stage, write_metrics


def main() -> None:
    """Split the snapshot into training, validation and test windows."""
    with stage("split", "data/split", "reports/split") as params:
        out = Path("data/split")
        holdout = holdout_of(params) if params.selection is not None else None
        info = make_split(Path("data/snapshot"), out, params.split, params.data.as_of, params.data.memory_gib, holdout)
        metrics = {"users": float(info.n_users), "items": float(info.n_items)}
        for window in WINDOWS:
            metrics[f"{window}/events"] = float(tables.count_events(out / f"{window}.parquet"))
        for window in WINDOWS[1:]:
            metrics[f"{window}/users"] = float(tables.count_users(out / f"{window}.parquet"))
        write_metrics(Path("reports/split"), metrics)


if __name__ == "__main__":
    main()
