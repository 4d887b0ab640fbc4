"""Stage `rank` on a small simulated shop: from impressions to calibrated probabilities, without later data."""

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from safetensors.numpy import save_file

from components.contracts import EVENTS
from components.data.partitions import partitions
from components.data.tables import read_catalogue, read_info, read_interactions
from components.language.choice import ModelChoice, write_choice
from components.params import load
from components.privacy.accounting import read_mechanisms
from components.profiles.features import read_profile_info
from components.ranking.features import EMPTY_USER
from components.ranking.ranker import Ranker
from components.ranking.user_text import user_texts
from components.stages import encode, ingest, profile, rank, resolve, split
from components.stages.run import RESOLVED
from components.times import DAY_US
from tests.components.language.tiny import tiny_bert
from tests.components.stages.support import enter_checkout, no_reviews, select

pytestmark = pytest.mark.filterwarnings("ignore:.*LeafSpec:FutureWarning")
SMALL = "shop.n_users=150\nshop.n_items=80\nranking.max_epochs=2"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a checkout in which the stages before `rank` have run; copied by the tests."""
    with pytest.MonkeyPatch.context() as patch:
        folder = enter_checkout(tmp_path_factory.mktemp("made"), SMALL, patch)
        no_reviews(Path("features"))
        for stage in (resolve, ingest, split, profile):
            stage.main()
        n_items = read_info(Path("data/split")).n_items
        rows = np.random.default_rng(0).normal(size=(n_items + 1, 8))
        rows[0] = 0
        save_file({"embedding": rows.astype(np.float16)}, "features/items.safetensors")
    return folder


@pytest.fixture
def checkout(made: Path, enter: Callable[[str], Path]) -> Path:
    """Enter a copy."""
    return Path(shutil.copytree(made, enter(SMALL), dirs_exist_ok=True))


def digest(folder: Path) -> dict[str, str]:
    return {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in sorted(folder.iterdir())}


def test_from_impressions_to_probabilities(checkout: Path) -> None:
    rank.main()
    metrics = json.loads((checkout / "reports/rank/metrics.json").read_text())
    assert metrics["examples/test"] > 1000
    assert 0 < metrics["purchase/log_loss"] < metrics["click/log_loss"] < 1
    assert (checkout / "models/ranker/profiles.json").read_bytes() == (checkout / "profiles/profiles.json").read_bytes()
    assert (checkout / "reports/rank/plots/metrics/validation/loss.tsv").exists()
    ranker = Ranker.load(checkout / "models/ranker")
    chances = ranker.predict_proba(np.array([0, 0], np.int32), np.array([1, 0], np.int32))
    assert ((chances > 0) & (chances < 1)).all()
    before = digest(checkout / "models/ranker")
    rank.main()
    assert digest(checkout / "models/ranker") == before


def test_with_epsilon_the_ranker_learns_with_noise_and_stores_no_statistic_of_users(
    checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CAROUSEL_NOISE_KEY", "k" * 32)
    resolved = yaml.safe_load(RESOLVED.read_text())
    resolved["privacy"]["epsilon"] = 4.0
    RESOLVED.write_text(yaml.safe_dump(resolved))
    rank.main()
    assert [one.name for one in read_mechanisms(checkout / "models/ranker")] == ["ranker, mean rates", "ranker"]
    info = read_profile_info(checkout / "models/ranker")
    assert (info.users.columns, info.items.columns) == ([], [])
    ranker = Ranker.load(checkout / "models/ranker")
    assert ranker.inputs.item.shape[1] == 0
    served = ranker.for_users(EMPTY_USER, info.users.vector({"frequency": 3})[None])
    chances = served.predict_proba(np.zeros(2, np.int32), np.array([1, 2], np.int32))
    assert ((chances > 0) & (chances < 1)).all()
    assert json.loads((checkout / "reports/rank/metrics.json").read_text())["epochs/best"] == 2
    resolved["privacy"]["ranker_share"] = 0.0
    RESOLVED.write_text(yaml.safe_dump(resolved))
    rank.main()
    assert "ranker_share is 0" in (checkout / "models/ranker/note.txt").read_text()


def test_labels_are_the_actions_on_shown_items(checkout: Path) -> None:
    params = load(RESOLVED)
    _, learned, test = rank.inputs(checkout, params)
    info = read_info(checkout / "data/split")
    assert info.train_end <= learned.timestamp.min() <= learned.timestamp.max() < info.validation_end
    assert info.validation_end <= test.timestamp.min() <= test.timestamp.max() < info.test_end
    assert (learned.labels[:, 1:] <= learned.labels[:, :-1]).all()
    assert learned.position.min() == 0
    rows = pq.read_table(checkout / "data/split/validation.parquet")
    bought = rows.filter(np.equal(rows["event"].to_numpy(), EVENTS.index("purchase"))).num_rows
    assert 0.8 * bought <= learned.labels[:, 2].sum() <= 1.2 * bought


def test_with_a_recipe_the_ranker_trains_its_epochs_without_early_stopping(checkout: Path) -> None:
    select(ranker_epochs=3)
    rank.main()
    curves = sorted(p.name for p in (checkout / "reports/rank/plots/metrics").rglob("*.tsv"))
    assert curves == ["loss.tsv"]  # of the training examples
    assert len((checkout / "reports/rank/plots/metrics/train/loss.tsv").read_text().splitlines()) == 1 + 3
    metrics = json.loads((checkout / "reports/rank/metrics.json").read_text())
    assert metrics["epochs/best"] == 3
    assert metrics["click/auc"] > 0.5
    before = digest(checkout / "models/ranker")
    rank.main()
    assert digest(checkout / "models/ranker") == before


def test_with_a_recipe_a_holdout_without_purchases_only_costs_the_metrics(checkout: Path) -> None:
    select(ranker_epochs=2)
    rank.main()
    before = digest(checkout / "models/ranker")
    info = read_info(checkout / "data/split")
    short = info.model_copy(update={"test_end": info.validation_end + DAY_US // 24})
    (checkout / "data/split/split.json").write_text(short.model_dump_json())
    path = checkout / "data/split/test.parquet"
    rows = pq.read_table(path)
    pq.write_table(rows.filter(np.less(rows["timestamp"].to_numpy(), short.test_end)), path, write_page_checksum=True)
    rank.main()
    assert digest(checkout / "models/ranker") == before
    assert json.loads((checkout / "reports/rank/metrics.json").read_text()) == {"epochs/best": 2}


def test_a_recipe_without_a_ranker_gets_a_note(checkout: Path) -> None:
    select()
    rank.main()
    assert (checkout / "models/ranker/note.txt").read_text() == "no ranker: the recipe has none\n"
    assert [p.name for p in (checkout / "models/ranker").iterdir()] == ["note.txt"]


def test_a_recipe_with_a_ranker_is_not_fitted_without_one(checkout: Path) -> None:
    select(ranker_epochs=2)
    RESOLVED.write_text(RESOLVED.read_text().replace("holdout_share: 0.2", "holdout_share: 0.0001"))
    with pytest.raises(SystemExit, match=r"the recipe has a ranker, but .* run `carousel retrain`"):
        rank.main()
    assert not (checkout / "models/ranker/ranker.json").exists()


def user_ids(checkout: Path) -> dict[str, int]:
    """Return the user_idx of each user of the split."""
    rows = pq.read_table(checkout / "data/split/users.parquet")
    return dict(zip(rows["user_id"].to_pylist(), rows["user_idx"].to_pylist(), strict=True))


def later_rows_changed(snapshot: Path, cut: int) -> int:
    """Change users and products of all rows after the cut, in all tables; return the number of rows."""
    changed = 0
    for table in ("events", "reviews", "searches"):
        for path in partitions(snapshot, table):
            rows = pq.read_table(path)
            late = np.flatnonzero(rows["timestamp"].cast("int64").to_numpy() >= cut)
            changed += len(late)
            order = np.arange(len(rows))
            order[late] = late[::-1]
            for name in {"item_id", "event", "rating", "text", "query", "price", "quantity"} & set(rows.column_names):
                rows = rows.set_column(rows.column_names.index(name), name, rows[name].take(pa.array(order)))
            pq.write_table(rows, path, write_page_checksum=True)
    return changed


def test_features_do_not_depend_on_rows_after_the_cut(checkout: Path) -> None:
    """With other rows after the cut, features stay equal to the bit and labels change."""
    params = load(RESOLVED)
    before, labelled, _ = rank.inputs(checkout, params)
    texts, who = user_texts(checkout / "data/snapshot", checkout / "data/split"), user_ids(checkout)
    assert later_rows_changed(checkout / "data/snapshot", read_info(checkout / "data/split").train_end) > 1000
    for stage in (split, profile):
        stage.main()
    after, relabelled, _ = rank.inputs(checkout, params)
    again = user_ids(checkout)  # users who first appear later have another index, or none
    both = sorted(set(who) & set(again))
    assert len(both) > 100
    one, two = ([ids[user] for user in both] for ids in (who, again))
    for name in ("user_text", "user"):
        np.testing.assert_array_equal(getattr(before, name)[one], getattr(after, name)[two])
    for name in ("item_text", "item"):
        np.testing.assert_array_equal(getattr(before, name), getattr(after, name))
    for name in ("category", "brand"):
        assert (getattr(before, name).weight[one] != getattr(after, name).weight[two]).nnz == 0
    later = user_texts(checkout / "data/snapshot", checkout / "data/split")
    assert [texts[user] for user in one] == [later[user] for user in two]
    assert not np.array_equal(labelled.item, relabelled.item)


def test_features_depend_on_rows_before_the_cut(checkout: Path) -> None:
    """The same change before the cut changes the features, so the test above can fail."""
    params = load(RESOLVED)
    before, *_ = rank.inputs(checkout, params)
    who = user_ids(checkout)
    later_rows_changed(checkout / "data/snapshot", read_info(checkout / "data/split").train_end - 20 * DAY_US)
    for stage in (split, profile):
        stage.main()
    after, *_ = rank.inputs(checkout, params)
    assert not np.array_equal(before.item, after.item)
    again = user_ids(checkout)
    one, two = zip(*((who[user], again[user]) for user in set(who) & set(again)), strict=True)
    for name in ("user_text", "user"):
        assert not np.array_equal(getattr(before, name)[list(one)], getattr(after, name)[list(two)])


def test_the_articles_network_reads_texts_of_users(checkout: Path) -> None:
    """A user's text has the titles of taken items before the cut, newest first, and the last queries."""
    tiny_bert(Path("tiny"))
    Path("models/language").mkdir(parents=True)
    write_choice(Path("models/language"), ModelChoice(accepted=False, reason="none was asked for", original="tiny"))
    RESOLVED.write_text(RESOLVED.read_text().replace("model: minilm", "model: tiny"))
    encode.main()
    texts = user_texts(Path("data/snapshot"), Path("data/split"))
    assert texts[0] == ""
    events, titles = read_interactions(Path("data/split")), read_catalogue(Path("data/split")).title
    for user in np.unique(events.user_idx)[1:5]:
        newest = titles[events.item_idx[events.user_idx == user][-1]]
        assert newest in texts[user]
    RESOLVED.write_text(RESOLVED.read_text().replace("three_branches", "seed_faithful"))
    rank.main()
    metrics = json.loads(Path("reports/rank/metrics.json").read_text())
    assert {name.split("/")[0] for name in metrics} == {"click", "epochs", "examples"}
    assert metrics["epochs/best"] == 10
    assert len(Path("reports/rank/plots/metrics/train/loss.tsv").read_text().splitlines()) == 11


def test_a_leave_one_out_split_gets_a_note(enter: Callable[[str], Path]) -> None:
    folder = enter(f"{SMALL}\nsplit.protocol=leave_one_out")
    for stage in (resolve, ingest, split):
        stage.main()
    rank.main()
    assert "leave-one-out" in (folder / "models/ranker/note.txt").read_text()


def test_a_shop_with_too_few_examples_gets_a_note(checkout: Path) -> None:
    users = pq.read_table(checkout / "data/split/users.parquet")
    few = users.set_column(1, "user_id", [[f"nobody {i}" for i in range(users.num_rows)]])
    pq.write_table(few, checkout / "data/split/users.parquet", write_page_checksum=True)  # no impressions
    resolved = RESOLVED.read_text().replace("negatives: 4", "negatives: 1")
    RESOLVED.write_text(resolved.replace("holdout_share: 0.2", "holdout_share: 0.001"))
    rank.main()
    assert "expected 5 or more" in (checkout / "models/ranker/note.txt").read_text()
    assert [p.name for p in (checkout / "models/ranker").iterdir()] == ["note.txt"]
