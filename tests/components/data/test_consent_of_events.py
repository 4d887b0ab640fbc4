"""Events without consent: not in the snapshot, not a target, not in what marketing reads; all are counted."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pyarrow.parquet as pq

from components import params
from components.applications.marketing.activity import open_snapshot
from components.data.snapshot import take_snapshot
from components.data.split import make_split
from tests.components.data.support import PRODUCTS, Ingested, write

HEADER = "user_id,item_id,timestamp,event,consent\n"
STATED = {
    "all": "true", "no": "false", "ours": "recommend", "silent": "", "ads": '"recommend,advertise"', "odd": "maybe",
}  # fmt: skip
ROWS = "".join(
    f"{user},i{day % 9 + 1},2026-{month:02d}-{day:02d},purchase,{stated}\n"
    for user, stated in STATED.items()
    for month in (1, 2)
    for day in range(1, 28, 3)
)
FILES = {"in/events.csv": (HEADER + ROWS).encode()}
N = 18  # events of each user


def test_an_event_without_consent_is_left_out_and_counted(ingest: Callable[..., Ingested]) -> None:
    taken = ingest(FILES)
    counts = taken.counts()
    assert (counts.read, counts.valid, counts.no_consent, counts.quarantined) == (6 * N, 4 * N, N, N)
    consents = {row["user_id"]: row["consent"] for row in taken.rows()}
    assert consents == {"all": None, "ours": "recommend", "silent": None, "ads": "recommend,advertise"}
    assert set(taken.rules["events"]) == {"consent: neither a flag nor purposes of recommend, advertise, measure"}


def take(folder: Path, settings: Callable[..., params.Params], default: list[str]) -> tuple[params.Params, Path]:
    write(folder, {"in/products.csv": PRODUCTS, **FILES})
    snapshot = folder / "data/snapshot"
    snapshot.mkdir(parents=True, exist_ok=True)
    chosen = settings(sections={"privacy": {"default_consent": default}})
    take_snapshot(chosen.data, folder, snapshot, folder / "data/quarantine", privacy=chosen.privacy)
    return chosen, snapshot


def test_the_default_is_the_shops(tmp_path: Path, settings: Callable[..., params.Params]) -> None:
    _, snapshot = take(tmp_path, settings, ["advertise"])
    assert set(pq.read_table(snapshot / "events")["user_id"].to_pylist()) == {"all", "ours", "ads"}


def test_only_measured_events_are_targets_and_only_advertised_ones_reach_marketing(
    tmp_path: Path, settings: Callable[..., params.Params]
) -> None:
    chosen, snapshot = take(tmp_path, settings, ["recommend"])
    split = tmp_path / "data/split"
    split.mkdir()
    make_split(snapshot, split, chosen.split, datetime(2026, 3, 1, tzinfo=UTC), 1)
    users = dict(zip(*pq.read_table(split / "users.parquet").to_pydict().values(), strict=True))
    rows = pq.read_table(split / "test.parquet").to_pylist()
    assert {users[row["user_idx"]] for row in rows if row["target"]} == {"all"}
    assert {users[row["user_idx"]] for row in rows} == {"all", "ours", "silent", "ads"}  # histories have them
    with open_snapshot(snapshot, 1, tmp_path) as connection:
        named = connection.execute("SELECT DISTINCT user_id FROM events ORDER BY 1").fetchall()
    assert [name for (name,) in named] == ["ads", "all"]
