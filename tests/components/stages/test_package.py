import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from safetensors.numpy import load_file, save_file

from components.contracts import ChampionRef, Evaluation
from components.errors import ContractError
from components.language.choice import ModelChoice, write_choice
from components.language.encoder import encoder_digest
from components.language.sentiment import SentimentHead
from components.origin import read_split_origin, stamp
from components.params import Params, load
from components.profiles.features import Features
from components.ranking.examples import Examples
from components.ranking.features import EMPTY_USER, AttributeAffinity, RankerInputs, ranker_inputs
from components.ranking.model import make_net
from components.ranking.ranker import Ranker
from components.recommenders.content import ContentRecommender
from components.recommenders.factory import create
from components.recommenders.histories import history_matrix
from components.release.bundle import Bundle, open_bundle
from components.serving.inference.histories import HistoryRow, build_user
from components.serving.inference.recommendations import Recommendation, find_similar
from components.serving.inference.rules import CatalogueFilter
from components.serving.inference.search_service import SearchService
from components.serving.schemas import Filters, SimilarRequest
from components.stages.package import package
from components.unfinished import Unfinished, mark_unfinished
from tests.components.language.tiny import tiny_bert
from tests.components.release.support import write_items, write_per_user
from tests.support import checkerboard

ROOT = Path(__file__).parents[3]
OVERRIDES = ["models.ease.l2=5", "release.include_encoder=false"]


@pytest.fixture(scope="module")
def params() -> Params:
    return load(ROOT / "params.yaml", overrides=OVERRIDES)


def mark(root: Path) -> Path:
    """Write the catalogue and the encoder into what the stages before `package` have written, as they do."""
    origin = read_split_origin(root / "data/split", root / "features")
    for folder in ("models/simple", "models/ranker", "features"):
        stamp(root / folder, origin)
    return root


def describe_encoder(root: Path, encoder: Path) -> None:
    """Say that the vectors were made by this model, and mark all parts with it."""
    about = {"model": "minilm", "digest": encoder_digest(encoder, 48), "dim": 8, "max_tokens": 48}
    (root / "features/encoder.json").write_text(json.dumps(about))
    for file in root.rglob("*.safetensors"):
        if "models/language" not in file.as_posix():
            save_file(load_file(file), file)
    mark(root)


@pytest.fixture(scope="module")
def run(params: Params, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a checkout in which the stages before `package` have run."""
    root = tmp_path_factory.mktemp("run")
    interactions, catalogue, users = checkerboard()
    for name in ("ease", "popularity"):
        create(name, params).fit(interactions, catalogue, users).save(root / "models/simple" / name)
    write_items(root / "data/split", catalogue)
    times = {"train_end": 1, "validation_end": 2, "test_end": 3}
    sizes = {"n_users": 40, "n_items": 20, "max_history": 50}
    info = {"protocol": "global_time", "simulated": True, **times, **sizes}
    (root / "data/split/split.json").write_text(json.dumps(info))
    (root / "features").mkdir()
    assert catalogue.embedding is not None
    save_file({"embedding": catalogue.embedding.astype(np.float16)}, root / "features/items.safetensors")
    encoder = {"model": "minilm", "digest": "0" * 64, "dim": 8, "max_tokens": 48}
    (root / "features/encoder.json").write_text(json.dumps(encoder))
    mark(root)
    (root / "run").mkdir(exist_ok=True)
    (root / "run/code.json").write_text('{"digest": "1"}')
    (root / "reports/rank").mkdir(parents=True)
    (root / "reports/rank/metrics.json").write_text('{"epochs/best": 3.0}')
    (root / "reports/drift").mkdir(parents=True)
    pq.write_table(pa.table({"price": [1.0]}), root / "reports/drift/reference.parquet")
    return root


@pytest.fixture
def evaluated(run: Path, tmp_path: Path) -> Callable[..., Path]:
    """Return a function that copies the run and adds an evaluation."""

    def make(name: str, challenger: str = "ease", champion: ChampionRef | None = None) -> Path:
        root = Path(shutil.copytree(run, tmp_path / name))
        evaluation = Evaluation(
            as_of="2026-03-01",
            protocol="global_time",
            window=("2026-02-01T00:00:00+00:00", "2026-03-01T00:00:00+00:00"),
            simulated=True,
            n_users=1,
            n_items=20,
            primary="ndcg_at_10",
            challenger=challenger,
            baselines=["popularity"],
            champion=champion,
            champion_saw_test=False,
            validation={"popularity": {"ndcg_at_10": 0.1}},
            test={name: {"ndcg_at_10": 0.4} for name in ("ease", "popularity", "content", "als")},
            slices=[],
            overfit_gap={},
        )
        (root / "reports/evaluate").mkdir()
        (root / "reports/evaluate/evaluation.json").write_text(evaluation.model_dump_json())
        write_per_user(root, {"ease": [0.3, 0.5], "popularity": [0.0, 0.2]})
        return root

    return make


def test_the_challenger_and_what_it_needs_are_in_the_bundle(evaluated: Callable[..., Path], params: Params) -> None:
    root = evaluated("a")
    bundle = open_bundle(root / "bundle", package(root, params))
    card = (root / "bundle/README.md").read_text(encoding="utf-8")
    assert "Gain over popularity in ndcg_at_10: +0.3000 (+0.3000 to +0.3000" in card  # .3 for both users
    assert bundle.info.model == bundle.model.name == "ease"
    assert bundle.fallback.name == "popularity"
    assert (bundle.info.train_end, bundle.info.validation_end, bundle.info.max_history) == (1, 2, 50)
    assert bundle.info.exclude_seen is True
    assert bundle.info.weights["purchase"] == 1.0
    assert bundle.info.as_of == "2026-03-01T00:00:00+00:00"
    assert bundle.info.encoder.dim == 8
    assert not (root / "bundle/encoder").exists()


def similar(bundle: Bundle, request: SimilarRequest) -> Recommendation:
    mask = CatalogueFilter(bundle.catalogue, bundle.index).allowed(request.filters, request.excluded, [])
    return find_similar(bundle, request, mask)


def test_a_large_catalogue_gets_an_ann_index_that_returns_lists(evaluated: Callable[..., Path]) -> None:
    large = load(ROOT / "params.yaml", overrides=[*OVERRIDES, "ann.min_items=20"])
    root = evaluated("a", "content")
    interactions, catalogue, users = checkerboard()
    create("content", large).fit(interactions, catalogue, users).save(root / "models/simple/content")
    mark(root)
    bundle = open_bundle(root / "bundle", package(root, large))
    small = replace(bundle, info=bundle.info.model_copy(update={"ann": None}))
    assert bundle.ann is not None
    assert isinstance(bundle.model, ContentRecommender)
    assert bundle.model.ann is bundle.ann
    request = SimilarRequest(item_id=catalogue.item_id[1], k=5)
    walked, compared = (similar(b, request).items for b in (bundle, small))
    assert [i.item_id for i in walked] == [i.item_id for i in compared]
    assert [i.score for i in walked] == pytest.approx([i.score for i in compared], abs=1e-6)
    assert len(walked) == 5
    nothing = request.model_copy(update={"filters": Filters(brand="nobody's")})
    assert similar(bundle, nothing).items == []
    search_service = SearchService(bundle, large.language)
    user = build_user(
        bundle, [HistoryRow(catalogue.item_id[2], "view", None), HistoryRow(catalogue.item_id[4], "view", None)]
    )
    one, other = (search_service.search("thing", who, 8, None) for who in (None, user))
    assert one is not None
    assert other is not None
    assert [i.item_id for i in one.items] != [i.item_id for i in other.items]
    assert other.items == sorted(other.items, key=lambda i: -i.score)


def test_the_bytes_do_not_depend_on_the_champion(evaluated: Callable[..., Path], params: Params) -> None:
    champion = ChampionRef(version=7, digest="c" * 64, model="als")
    first, second = evaluated("a"), evaluated("b", champion=champion)
    assert package(first, params) == package(second, params)


def test_a_training_that_a_limit_in_minutes_stopped_is_named(evaluated: Callable[..., Path], params: Params) -> None:
    root = evaluated("a")
    mark = Unfinished(model="the language model", limit="language.pretrain.max_minutes", minutes=9, step=8, steps=20)
    (root / "models/language").mkdir(exist_ok=True)
    mark_unfinished(root / "models/language", mark)
    package(root, params)
    assert open_bundle(root / "bundle").info.unfinished == (str(mark),)


def test_the_encoder_is_included_on_request(evaluated: Callable[..., Path], tmp_path: Path) -> None:
    encoder = tmp_path / "encoder"
    encoder.mkdir()
    for name in ("model.safetensors", "config.json", "tokenizer.json", "pytorch_model.bin"):
        (encoder / name).write_text("{}")
    params = load(ROOT / "params.yaml", overrides=["models.ease.l2=5", f"language.model={encoder}"])
    root = evaluated("a")
    describe_encoder(root, encoder)
    (root / "models/language").mkdir()
    write_choice(root / "models/language", ModelChoice(accepted=False, reason="", original=str(encoder)))
    package(root, params)
    assert sorted(p.name for p in (root / "bundle/encoder").iterdir()) == [
        "config.json",
        "model.safetensors",
        "tokenizer.json",
    ]


def test_a_challenger_that_was_not_fitted_is_named(evaluated: Callable[..., Path], params: Params) -> None:
    with pytest.raises(ContractError, match="'als'"):
        package(evaluated("a", challenger="als"), params)


def test_an_accepted_adapted_encoder_is_included(evaluated: Callable[..., Path], tmp_path: Path) -> None:
    with_encoder = load(ROOT / "params.yaml", overrides=OVERRIDES[:1])
    root = evaluated("adapted")
    with pytest.raises(ContractError, match="run the stage `pretrain`"):
        package(root, with_encoder)
    shutil.rmtree(root / "bundle", ignore_errors=True)
    write_choice(tiny_bert(root / "models/language"), ModelChoice(accepted=True, reason="better", original="minilm"))
    with pytest.raises(ContractError, match="encoder/ is not the language model"):
        package(root, with_encoder)  # the vectors are of another one
    shutil.rmtree(root / "bundle")
    describe_encoder(root, root / "models/language")
    package(root, with_encoder)
    content = (root / "models/language/model.safetensors").read_bytes()
    assert (root / "bundle/encoder/model.safetensors").read_bytes() == content
    assert not (root / "bundle/encoder/language.json").exists()


def test_a_sentiment_head_is_included(evaluated: Callable[..., Path], params: Params) -> None:
    root = evaluated("heard")
    SentimentHead(np.ones(3), 0.0, 1.0, 0.0, "0" * 64).save(root / "features/sentiment")
    package(root, params)
    open_bundle(root / "bundle")
    assert SentimentHead.load(root / "bundle/sentiment").encoder == "0" * 64
    shutil.rmtree(root / "bundle")
    SentimentHead(np.ones(3), 0.0, 1.0, 0.0, "1" * 64).save(root / "features/sentiment")
    with pytest.raises(ContractError, match="sentiment/ was trained on vectors of another language model"):
        package(root, params)
    none = evaluated("unheard")
    (none / "features/sentiment").mkdir()
    (none / "features/sentiment/note.txt").write_text("no sentiment head\n")
    package(none, params)
    assert not (none / "bundle/sentiment").exists()


def test_a_ranker_that_can_be_served_is_included(evaluated: Callable[..., Path], params: Params) -> None:
    """For each output of the stage `rank`: a ranker, the article's network, or a note that there is none."""
    section = params.ranking
    items = np.zeros((21, 3), np.float32)
    nobody = AttributeAffinity.from_histories(np.zeros(21, np.int32), history_matrix(EMPTY_USER, 20, 1.0))
    for name, configuration in (("served", "three_branches"), ("faithful", "seed_faithful"), ("none", "")):
        root = evaluated(name)
        (root / "models/ranker").mkdir(parents=True)
        (root / "models/ranker/note.txt").write_text("no ranker\n")
        if configuration:
            ranker = Ranker(section.model_copy(update={"configuration": configuration}))
            ranker.inputs = RankerInputs(items[:1], items, items[:1], items, nobody, nobody)
            ranker.net = make_net(ranker.inputs.sizes, ranker.params)
            ranker.calibration = np.array([[1.0, 0.0]] * len(ranker.tasks))
            ranker.save(root / "models/ranker")
            mark(root)
        package(root, params)
        bundled = open_bundle(root / "bundle").ranker
        assert (bundled is not None) == (configuration == "three_branches")
        if bundled is not None:
            pair = np.zeros(1, np.int32), np.ones(1, np.int32)
            assert bundled.predict_proba(*pair).shape == (1, 3)


def test_a_ranker_loaded_from_the_bundle_predicts_the_same(evaluated: Callable[..., Path], params: Params) -> None:
    """For known and unknown users, and for items with events, without events and unknown."""
    events, catalogue, users = checkerboard()
    rng = np.random.default_rng(0)
    profiles = [rng.normal(size=(n, 3)).astype(np.float32) for n in (41, 21)]
    inputs = ranker_inputs(
        events, catalogue, Features(*profiles, ("a", "b", "c"), ("a", "b", "c")), params.ranking.recency
    )
    user, item = (rng.integers(1, n, 600).astype(np.int32) for n in (41, 21))
    labels = np.logical_and.accumulate(rng.random((600, 3)) < (user % 2 == item % 2)[:, None], axis=1)
    labels &= np.logical_and.accumulate(rng.random((600, 3)) < 0.6, axis=1)
    times = np.arange(600, dtype=np.int64)
    examples = Examples(user, item, np.zeros(600, np.float32), times, labels.astype(np.float32))
    fitted = Ranker(params.ranking.model_copy(update={"max_epochs": 2})).fit(examples, inputs, 0)
    root = evaluated("ranked")
    fitted.save(root / "models/ranker")
    mark(root)
    package(root, params)
    shutil.rmtree(root / "models")
    bundled = open_bundle(root / "bundle").ranker
    assert bundled is not None
    assert (events.item_idx != 20).all()  # never sold
    assert users.history.offsets[1] == 0  # user 0 has no events
    who, what = (index.ravel().astype(np.int32) for index in np.meshgrid(np.arange(41), np.arange(21)))
    expected, actual = fitted.predict_proba(who, what), bundled.for_users(users, profiles[0]).predict_proba(who, what)
    np.testing.assert_allclose(actual, expected, rtol=0, atol=1e-6)
    assert np.ptp(expected[:, 0]) > 0.1
    strangers = who == 0
    np.testing.assert_allclose(
        bundled.predict_proba(who[strangers], what[strangers]), expected[strangers], rtol=0, atol=1e-6
    )
