"""The advice on a shop of known habits: what is advised follows from what the data hold."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
import yaml

from components import params
from components.applications.advice import overlay
from components.applications.advice.advice import ShopAdvice, advise_shop
from components.applications.advice.infer import infer
from components.applications.advice.questions import Answers
from components.applications.advice.trial import try_draft
from tests.components.applications.advice import shops
from tests.components.applications.advice.support import looked_at
from tests.support import ROOT

NOW = datetime(2025, 5, 4, tzinfo=UTC)  # the midnight after the newest event: of the snapshot, too


LATER = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[ShopAdvice, Path, Path]:
    """Return the advice, the checkout with the snapshot, and the shop's overlay."""
    root = tmp_path_factory.mktemp("checkout")
    with looked_at(shops.european(root / "raw"), root) as (looked, _):
        draft = infer(looked, Answers(), root)
    facts = try_draft(draft, overlay.data_section(draft), root, root, NOW)
    shop = root / "shop.yaml"
    shop.write_text(overlay.render(draft, facts, overlay.About("cups", "init", "shop.yaml", LATER)))
    loaded = params.load(ROOT / "params.yaml", [shop])
    return advise_shop(root, facts.snapshot, loaded), root, shop


def test_facts_are_those_of_the_files(made: tuple[ShopAdvice, Path, Path]) -> None:
    facts = made[0].facts
    assert (facts.users, facts.products) == (38, 30)  # two of 40 users come in the test window alone
    assert facts.text_share == 1.0
    assert facts.text_words == 3.0  # "Becher 7 rot"
    assert 0 < facts.density <= 1


def test_users_who_buy_again_are_shown_what_they_know(made: tuple[ShopAdvice, Path, Path]) -> None:
    advice, _, shop = made
    assert advice.probe.with_seen > advice.probe.without_seen
    assert advice.overlay["recommend"] == {"exclude_seen": False}
    assert "buy_again" in advice.overlay["models"]["hybrid"]["parts"]  # type: ignore[index]
    assert advice.overlay["trainer"] == {"max_epochs": 1}  # fewer than 100 users
    advised = shop.with_name("advice.yaml")
    advised.write_text(advice.to_yaml())
    merged = params.load(ROOT / "params.yaml", [shop, advised])  # the parser accepts it
    assert merged.trainer.max_epochs == 1
    assert yaml.safe_load(advice.to_yaml()) == advice.overlay


def test_what_to_collect_names_what_is_missing(made: tuple[ShopAdvice, Path, Path]) -> None:
    texts = "\n".join(made[0].collect)
    assert "more users: " in texts
    assert "views and carts" in texts
    assert "titles" not in texts


def test_timings_of_the_checkout_count_for_its_own_snapshot_alone(made: tuple[ShopAdvice, Path, Path]) -> None:
    advice, root, shop = made
    assert advice.costs.measured == []
    (root / "run/timings").mkdir(parents=True)
    (root / "run/timings/fit.json").write_text('{"work_s": 77.0}')
    loaded = params.load(ROOT / "params.yaml", [shop])
    again = advise_shop(root, root / "data/snapshot", loaded)
    assert (again.costs.measured, again.costs.seconds["fit"]) == (["fit"], 77.0)
    other = root / "elsewhere"
    other.mkdir()
    assert advise_shop(other, root / "data/snapshot", loaded).costs.measured == []
