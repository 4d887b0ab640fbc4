"""The doctor finds what would stop a run, and gives advice."""

import os
import subprocess
from pathlib import Path

import pytest

from components.errors import ContractError, ReleaseError
from components.release.doctor import examine, require_ready
from components.settings import Settings

ROOT = Path(__file__).parents[3]


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    for name in ("params.yaml", "constraints.txt", "dvc.yaml", ".dvc/config"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text((ROOT / name).read_text())
    subprocess.run(["git", "init", "--quiet", "."], cwd=tmp_path, check=True)
    subprocess.run(["git", "add", "."], cwd=tmp_path, check=True)
    identity = ["-c", "user.name=t", "-c", "user.email=t@example.org"]
    subprocess.run(["git", *identity, "commit", "--quiet", "-m", "x"], cwd=tmp_path, check=True)
    return tmp_path


def look(checkout: Path, *overrides: str) -> dict[str, tuple[bool, str, str]]:
    found = examine(checkout, Settings(home=checkout / "home").resolved(checkout), [], list(overrides))
    return {f.name: (f.ok, f.found, f.advice) for f in found}


def test_a_complete_checkout_is_ready(checkout: Path) -> None:
    found = look(checkout)
    assert all(ok for ok, _, _ in found.values()), found
    assert {
        "machine",
        "disk",
        "python",
        "packages",
        "params",
        "sources",
        "registry",
        "git",
        "DVC remote",
        "port",
    } <= set(found)
    assert not (checkout / "home").exists()


@pytest.mark.parametrize("override", ["trainer.max_epochs=-1", "models.hybrid.parts=[alz]"])
def test_a_wrong_parameter_is_named(checkout: Path, override: str) -> None:
    ok, text, _ = look(checkout, override)["params"]
    assert not ok
    assert override.partition("=")[0] in text


def test_a_missing_source_is_named(checkout: Path) -> None:
    (checkout / "p.csv").write_text("item_id\na\n")
    sources = "data.sources={products: [{path: p.csv}], events: [{path: gone.csv}]}"
    found = look(checkout, "data.simulated=false", sources)
    assert found["source products"][0]
    ok, text, advice = found["source events"]
    assert not ok
    assert "gone.csv" in text
    assert "data.sources.events" in advice


def test_the_shop_of_the_environment_is_examined(checkout: Path) -> None:
    overlay = checkout / "my-shop.yaml"
    overlay.write_text(
        "data: {simulated: false, sources: {products: [{path: /nowhere/p.csv}], events: [{path: /nowhere/e.csv}]}}\n"
    )
    settings = Settings(home=checkout / "home", params="my-shop.yaml", overrides="serving.port=1\n")
    found = {f.name: f for f in examine(checkout, settings.resolved(checkout), [], [])}
    assert not found["source products"].ok
    assert "/nowhere/p.csv" in found["source products"].found
    assert not found["source events"].ok
    assert found["port"].found.startswith("127.0.0.1:1 ")
    found = {f.name: f for f in examine(checkout, settings.resolved(checkout), [], ["serving.port=2"])}
    assert found["port"].found.startswith("127.0.0.1:2 ")  # of the command line, on top of the environment's


def test_a_run_is_refused_for_what_the_doctor_refuses(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = Settings(home=checkout / "home").resolved(checkout)
    require_ready(checkout, settings, [], [])
    with pytest.raises(ContractError, match=r"^params: .*trainer\.max_epochs"):
        require_ready(checkout, settings, [], ["trainer.max_epochs=0"])
    sources = "data.sources={products: [{path: nowhere.csv}], events: [{path: nowhere.csv}]}"
    with pytest.raises(ContractError, match=r"^source products: .*nowhere\.csv.*\nsource events: "):
        require_ready(checkout, settings, [], ["data.simulated=false", sources])
    monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", "/dev/null")
    with pytest.raises(ContractError, match=r"git: .*safe\.directory"):
        require_ready(checkout, settings, [], [])


def test_a_registry_that_does_not_answer_is_an_error_that_may_pass(checkout: Path) -> None:
    settings = Settings(home=checkout / "home", tracking_uri=f"sqlite:///{checkout}").resolved(checkout)
    with pytest.raises(ReleaseError, match=r"^registry: "):
        require_ready(checkout, settings, [], [])


def test_a_home_that_may_not_be_written_is_refused_and_little_memory_is_not(
    checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "sysconf", lambda name: 1)
    ok, text, advice = look(checkout)["machine"]
    assert ok
    assert "0 GiB memory" in text
    assert "4 GiB of memory" in advice
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    ok, text, advice = look(checkout)["disk"]
    assert not ok
    assert "not writable" in text
    assert "CAROUSEL_HOME" in advice


def test_blanks_in_where_are_a_hint(checkout: Path) -> None:
    (checkout / "p.csv").write_text("item_id\na\n")
    (checkout / "e.csv").write_text(
        "user_id,item_id,timestamp,event,status\nu,a,2026-01-01,view,\nu,a,2026-01-02,view,ok\n"
    )
    event = "{path: e.csv, where: \"status <> 'test'\"}"
    found = look(checkout, "data.simulated=false", f"data.sources={{products: [{{path: p.csv}}], events: [{event}]}}")
    ok, text, _ = found["source events"]
    assert ok
    assert "is neither true nor false for 1 of 2 rows" in text


def test_pictures_and_vectors_that_are_missing_are_named(checkout: Path) -> None:
    ok, text, _ = look(checkout, "data.pictures=data/raw/pictures")["pictures"]
    assert (ok, text) == (True, "of the simulated shop")
    (checkout / "p.csv").write_text("item_id\na\n")
    (checkout / "v.parquet").write_bytes(b"PAR1 no")
    found = look(
        checkout,
        "data.simulated=false",
        "data.sources={products: [{path: p.csv}], events: [{path: p.csv}]}",
        "data.pictures=none",
        "data.vectors={a: {path: v.parquet, id: sku, column: v}, b: {path: gone.parquet, id: sku, column: v}}",
    )
    for name, expected in [
        ("pictures", "data.pictures: expected a folder of pictures"),
        ("vectors a", "data.vectors.a: v.parquet: expected a Parquet file"),
        ("vectors b", "data.vectors.b: path gone.parquet: expected files"),
    ]:
        ok, text, advice = found[name]
        assert not ok
        assert text.startswith(expected)
        assert advice
