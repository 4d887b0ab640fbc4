"""Stage `profile`: profiles of users and items at the end of the training window -> profiles/."""

from pathlib import Path

import pyarrow.parquet as pq

from components.data.tables import read_info
from components.profiles.features import Scaling
from components.profiles.storage import write_profiles
from components.stages.run import stage, write_metrics


def main() -> None:
    """Build the profiles, and measure how many users and items they cover."""
    with stage("profile", "profiles", "reports/profile") as params:
        snapshot, split, features, out = map(Path, ("data/snapshot", "data/split", "features", "profiles"))
        info = write_profiles(snapshot, split, features, out, params.profiles, params.data.memory_gib)
        sizes = read_info(split)
        metrics = _coverage(out, "users", info.users, sizes.n_users) | _coverage(
            out, "items", info.items, sizes.n_items
        )
        write_metrics(Path("reports/profile"), metrics)


def _coverage(profiles: Path, kind: str, scaling: Scaling, n_split: int) -> dict[str, float]:
    """Return the rows, the rows per user or item of the split, and the share of non-null values of each column."""
    columns = [c for c, can in zip(scaling.columns, scaling.nullable, strict=True) if can]
    table = pq.read_table(profiles / f"{kind}.parquet", columns=columns, page_checksum_verification=True)
    n = table.num_rows
    shares = {f"{kind}/with/{c}": 1 - table[c].null_count / n for c in columns if n}
    return {kind: float(n), f"{kind}/per_split_row": n / max(n_split, 1), **shares}


if __name__ == "__main__":
    main()
