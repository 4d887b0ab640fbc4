"""A refresh that meets damage, another shop, or a registry that does not answer: what it says; nothing ships."""

import json
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from components.errors import BusyError, CarouselError, ContractError, TamperedError
from components.release.ledger import Ledger
from components.release.lock import exclusive_lock
from flows import cli
from flows.refresh import refresh
from flows.workspace import open_workspace
from tests.flows.toy import own_artifacts

LATER = 'data.as_of="2026-03-02T00:00:00+00:00"'


@pytest.fixture
def shop(promoted: Path, first: tuple[Path, object]) -> Path:
    """Return the checkout after its first run, with artifacts of its own."""
    own_artifacts(promoted, first[0])
    return promoted


def run(*overrides: str, **parameters: Any) -> dict[str, Any]:
    return dict(refresh.fn(overrides=[LATER, *overrides], **parameters))


def registered(root: Path, name: str) -> Path:
    """Return the registry's copy of a file of the champion's bundle."""
    run = open_workspace([], [], None).registry().version(1).run_id
    (file,) = (root / ".carousel/mlflow-artifacts").rglob(f"{run}/artifacts/bundle/{name}")
    return file


def test_a_damaged_copy_of_the_champion_is_fetched_again(shop: Path) -> None:
    file = shop / "champion/bundle/items.parquet"
    run("gate.mode=dry_run")
    content = file.read_bytes()
    file.write_bytes(content[:100])
    assert run("gate.mode=dry_run")["verdict"] == "refresh"
    assert file.read_bytes() == content


def test_a_damaged_bundle_in_the_registry_is_named_and_nothing_runs(shop: Path) -> None:
    registered(shop, "items.parquet").write_bytes(b"half")
    before = (shop / "dvc.lock").read_bytes()
    with pytest.raises(TamperedError, match=r"version 1 of carousel in the registry: .*items\.parquet"):
        run()
    assert (shop / "dvc.lock").read_bytes() == before
    assert open_workspace([], [], None).registry().aliases()["champion"] == 1


def change_recipe(root: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """Rewrite the champion's recipe, as another version of Carousel would have written and registered it."""
    recipe, manifest = registered(root, "recipe.json"), registered(root, "manifest.json")
    content = json.loads(recipe.read_bytes())
    change(content)
    recipe.write_text(json.dumps(content))
    files = json.loads(manifest.read_bytes())
    files["files"]["recipe.json"] = {
        "sha256": sha256(recipe.read_bytes()).hexdigest(), "bytes": recipe.stat().st_size
    }  # fmt: skip
    manifest.write_text(json.dumps(files))
    digest = sha256(manifest.read_bytes()).hexdigest()
    workspace = open_workspace([], [], None)
    workspace.registry().tag(1, "bundle_digest", digest)
    workspace.registry().tag(1, "recipe_digest", sha256(recipe.read_bytes()).hexdigest())
    ledger = Ledger(workspace.shop)
    ledger.close(ledger.begin("promote", 1, None, digest, None), "done", "")


@pytest.mark.parametrize(
    "change",
    [
        lambda recipe: recipe.update(format=2),
        lambda recipe: recipe["params"]["trainer"].update(optimizer="lion"),
        lambda recipe: recipe["params"].update(rerank={"window": 3}),
        lambda recipe: recipe["selection"].update(recommender="diffusion"),
    ],
    ids=["unknown field", "unknown parameter", "unknown section", "unknown model"],
)
def test_a_recipe_of_a_later_version_is_refused_before_the_first_stage(
    shop: Path, change: Callable[[dict[str, Any]], object]
) -> None:
    change_recipe(shop, change)
    before = (shop / "dvc.lock").read_bytes()
    with pytest.raises(ContractError, match=r"(?s)recipe.*`carousel retrain`"):
        run()
    assert (shop / "dvc.lock").read_bytes() == before
    assert open_workspace([], [], None).registry().aliases()["champion"] == 1


def test_another_shop_has_no_champion_and_is_named(shop: Path) -> None:
    with pytest.raises(ContractError, match="nothing serves yet in the shop other"):
        run("release.name=other")


def test_a_registry_that_does_not_answer_is_named(shop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CAROUSEL_TRACKING_URI", "http://127.0.0.1:9")
    with pytest.raises(CarouselError, match=r"registry.* http://127\.0\.0\.1:9"):
        run()


def test_two_at_once_the_second_says_who_runs(shop: Path) -> None:
    with exclusive_lock(shop / ".carousel/retrain.lock", "a refresh"), pytest.raises(BusyError, match="a refresh"):
        run()


def test_the_command_prints_one_message(shop: Path, unrecorded: None, capsys: pytest.CaptureFixture[str]) -> None:
    change_recipe(shop, lambda recipe: recipe.update(format=2))
    assert cli.run(["refresh", "--as-of", "2026-03-02"]) == 1
    out, err = capsys.readouterr()
    assert not out
    assert err.splitlines()[-1].startswith("carousel: ")
    assert "Traceback" not in err
