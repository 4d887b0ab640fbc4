"""The flow `backtest`: a snapshot by the real stage, replays as tasks, tables and a report; nothing is promoted."""

import json
from pathlib import Path

import pytest

from components.backtest.replay import Backtest
from components.errors import BusyError, ParamsError
from components.release.lock import exclusive_lock
from flows.cli import run
from tests.components.backtest.support import SETS, day, shop_events, shop_products

SPAN = {"start": day(56), "end": day(84)}
WORDS = ["--from", f"{day(56):%Y-%m-%d}", "--to", f"{day(84):%Y-%m-%d}", *(w for line in SETS for w in ("--set", line))]


@pytest.fixture
def shop(checkout: Path, unrecorded: None) -> Path:
    """Give the toy checkout the real stage `ingest`, and the shop's files."""
    dvc = (checkout / "dvc.yaml").read_text()
    real = dvc.replace("make ingest", "components.stages.ingest").replace(
        "outs: [data/snapshot, reports/ingest]", "outs: [data/snapshot, data/quarantine, reports/ingest]"
    )
    assert real != dvc
    (checkout / "dvc.yaml").write_text(real)
    (checkout / "in").mkdir()
    (checkout / "in/products.csv").write_text(shop_products())
    (checkout / "in/events.csv").write_text(shop_events())
    return checkout


def test_the_command_prints_tables_and_goes_on_from_its_cache(shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["backtest", *WORDS, "--policies", "never,newest", "--plant", f"gap@{day(63):%Y-%m-%d}", "--json"]
    assert run(words) == 0
    done = json.loads(capsys.readouterr().out)
    assert [row["policy"] for row in done["policies"]] == ["never", "newest"]
    result = Backtest.model_validate(json.loads((shop / "reports/backtest/backtest.json").read_bytes()))
    assert [len(found.periods) for found in result.replays] == [4, 4]
    assert [(found.policy, found.fault) for found in result.planted] == [("never", "gap"), ("newest", "gap")]
    assert Path(done["report"]).is_file()
    (cache,) = (shop / ".carousel/shops/carousel/backtest").iterdir()
    made = {file: file.stat().st_mtime_ns for file in cache.rglob("*") if file.is_file()}
    assert run(words[:-1]) == 0
    assert {file: file.stat().st_mtime_ns for file in cache.rglob("*") if file.is_file()} == made
    assert "newest" in capsys.readouterr().out
    assert not (shop / ".carousel/shops/carousel/ledger.db").exists()


def test_the_run_page_has_the_tables(shop: Path, server: None, monkeypatch: pytest.MonkeyPatch) -> None:
    from flows import backtest as module
    from flows.tasks import unwrap

    monkeypatch.delenv("PREFECT_API_URL")
    keys: list[str] = []
    monkeypatch.setattr(module, "create_table_artifact", lambda table, key, description: keys.append(key))
    done = unwrap(module.backtest(**SPAN, policies=["newest"], overrides=SETS))
    assert [row["policy"] for row in done["policies"]] == ["newest"]
    assert keys == ["backtest-policies"]


def test_wrong_words_are_refused_before_anything_runs(shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for words, message in (
        (["--policies", "daily"], "unknown ['daily']"),
        (["--plant", "typo"], "unknown fault 'typo'"),
        (["--every", "often"], "--every often"),
    ):
        assert run(["backtest", *WORDS, *words]) == 1
        assert message in capsys.readouterr().err
    assert not (shop / "data").exists()


def test_a_backtest_is_refused_while_another_run_takes_a_snapshot(shop: Path) -> None:
    from flows.backtest import backtest

    with (
        exclusive_lock(shop / ".carousel/retrain.lock", "a retrain"),
        pytest.raises(BusyError, match="start a backtest again"),
    ):
        backtest.fn(**SPAN, policies=["newest"], overrides=SETS)
    with pytest.raises(ParamsError, match="no period of --every month fits"):
        backtest.fn(day(56), day(80), every="month", policies=["newest"], overrides=SETS)
