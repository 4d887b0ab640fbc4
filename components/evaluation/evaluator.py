"""Measures every model on the same users of the same windows, and names the challenger. The gate decides."""

import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from components.contracts import (
    BoolArray,
    Catalogue,
    ChampionRef,
    Evaluation,
    FloatArray,
    IntArray,
    PushedProduct,
    Question,
    Ranked,
    Recommender,
    SliceRow,
    Users,
)
from components.data.tables import SplitInfo, read_catalogue, read_info, read_interactions
from components.evaluation.choice import best_of, choose
from components.evaluation.exposure import ItemUsers, count_item_users, find_pushed
from components.evaluation.list_comparison import list_shape, mean_overlap_at_k
from components.evaluation.metrics import popularity_share, user_means
from components.evaluation.out_of_fold import OutOfFold
from components.evaluation.protocol import (
    check_leakage,
    events_that_decide,
    next_event_users,
    question_users,
    rank_with_scores,
    window_users,
)
from components.evaluation.results import (
    Metrics,
    check_finite,
    event_rows,
    list_metrics,
    means,
    slice_row,
    user_rows,
    user_schema,
)
from components.evaluation.satisfaction import satisfaction
from components.evaluation.slices import NEXT_EVENT, slice_masks, trained_items
from components.params import Params
from components.records import PRIMARY_SLICE
from components.times import to_iso
from components.unfinished import Unfinished

log = logging.getLogger("evaluate")
CHAMPION = "champion"
NO_FOLDS: Mapping[str, OutOfFold] = {}


@dataclass(frozen=True)
class ServingChampion:
    """The model that stands for the version that serves, and whether it was trained or selected on this test window.

    Either its recipe, fitted on the training window, or its own model, adapted to the items of this split.
    """

    ref: ChampionRef
    model: Recommender
    saw_test: bool
    open_bundle: Callable[[], Recommender] | None = None  # of the version that serves, where `model` is its recipe


@dataclass(frozen=True)
class Roles:
    """What the table of recommenders says about the models of the run."""

    order: Sequence[str]  # all of them, from the simplest on
    simple: Collection[str]
    baselines: Collection[str]  # those that the challenger is held against, itself excepted


@dataclass(frozen=True)
class Windows:
    """The input of all models: validation and test users, and the slices of the test users."""

    info: SplitInfo
    catalogue: Catalogue
    popularity: FloatArray  # (n_items + 1,) share of training events
    validation: Users | None  # rows of the question that decides; None: a pass with a recipe selects nothing
    test: Users
    masks: dict[str, BoolArray]  # "all" and the slices, over the test targets
    next_event: Users | None = None  # a row for each target event of users of `test`
    item_users: ItemUsers | None = None  # of the training window

    def n_judged(self, question: Question) -> int:
        """Return the number of test users by whom the question is answered."""
        rows = self.test if question == "global_time" or self.next_event is None else self.next_event
        return rows.n_users


@dataclass(frozen=True)
class Measured:
    """The results: means by model, slices, and the test lists of the largest k."""

    validation: dict[str, Metrics]
    test: dict[str, Metrics]
    slices: list[SliceRow]
    lists: dict[str, IntArray]  # model -> (n_test_users, k)
    values: dict[str, FloatArray] = field(default_factory=dict)  # model -> (n_validation_users,) primary metric
    in_fold: dict[str, float] = field(default_factory=dict)  # blend -> validation mean of its own lists


def read_windows(split: Path, params: Params) -> Windows:
    """Return both windows of the split; raises ContractError on leakage, or for a window without users."""
    check_leakage(split)
    info, catalogue, train = read_info(split), read_catalogue(split), read_interactions(split)
    exclude_seen = params.recommend.exclude_seen
    validation = question_users(split, "validation", params) if params.selection is None else None
    test = window_users(split, "test", exclude_seen)
    trained = trained_items(train.item_idx, info.n_items)
    leave_one_out = info.protocol == "leave_one_out"  # one target each: histories cannot grow
    masks = slice_masks(test, catalogue, trained, params.evaluation.cold_user_events, by_day=leave_one_out)
    limit = 0 if leave_one_out or params.selection is not None else params.evaluation.next_events
    if params.gate.primary == NEXT_EVENT:
        growing: Users | None = events_that_decide(split, "test", test, params)
    else:
        growing = next_event_users(split, "test", test, exclude_seen, limit) if limit else None
    popularity = popularity_share(train.item_idx, info.n_items)
    growing = growing if growing is not None and len(growing) else None
    return Windows(info, catalogue, popularity, validation, test, masks, growing, count_item_users(train))


def measure(
    windows: Windows,
    loaders: Mapping[str, Callable[[], Recommender]],
    champion: ServingChampion | None,
    params: Params,
    per_user_file: Path,
    out_of_fold: Mapping[str, OutOfFold] = NO_FOLDS,
) -> Measured:
    """Return every model's metrics and write per_user.parquet, a row group for each model and slice.

    Models are loaded one at a time. The champion is measured on the test window only: it is no longer a candidate.
    With a recipe there is no choice on validation, and models are not measured there: they have learned from it.
    out_of_fold: of a model that learned on validation users, their lists by weights that were learned without them;
    they count on validation in place of its own.
    """
    measured = Measured({}, {}, [], {})
    with pq.ParquetWriter(
        per_user_file, user_schema(params.evaluation.ks), compression="zstd", write_page_checksum=True
    ) as writer:
        for name, load in loaders.items():
            model = load()
            if windows.validation is not None:
                _validate(name, model, windows.validation, windows, params, measured, out_of_fold.get(name))
            _test(name, model, windows, params, measured, writer)
        if champion:
            _test(CHAMPION, champion.model, windows, params, measured, writer)
            _compare_with_champion(measured, params.evaluation.ks)
    return measured


def summarise(
    windows: Windows,
    measured: Measured,
    champion: ServingChampion | None,
    params: Params,
    roles: Roles,
    unfinished: Sequence[Unfinished] = (),
) -> Evaluation:
    """Return evaluation.json; the challenger is that of the recipe, or the simplest within one standard error."""
    section, info = params.evaluation, windows.info
    if params.selection is None:
        choice = choose({name: measured.values[name] for name in roles.order if name in section.candidates})
        challenger = choice.challenger
        log.info("challenger %s: %s", challenger, choice.why)
    else:
        choice, challenger = None, params.selection.recommender
    baselines = [name for name in roles.order if name in roles.baselines and name != challenger]
    simple = [name for name in roles.order if name in roles.simple and name in measured.values and name != challenger]
    gap = {
        name: row[section.primary] - measured.test[name][section.primary] for name, row in measured.validation.items()
    }
    return Evaluation(
        as_of=to_iso(info.test_end),
        protocol=info.protocol,
        window=(to_iso(info.starts("test")), to_iso(info.test_end)),
        simulated=info.simulated,
        n_users=windows.n_judged(params.gate.primary),
        n_items=info.n_items,
        primary=section.primary,
        question=params.gate.primary,
        challenger=challenger,
        baselines=baselines,
        champion=champion.ref if champion else None,
        champion_saw_test=champion.saw_test if champion else False,
        validation=measured.validation,
        test=measured.test,
        slices=measured.slices,
        overfit_gap=gap,
        unfinished=tuple(map(str, unfinished)),
        simpler=[name for name in baselines if roles.order.index(name) < roles.order.index(challenger)],
        best_simple=best_of(measured.values, simple),
        choice=choice,
        in_fold=measured.in_fold,
        purpose="retrain" if params.selection is None else "refresh",
        pushed=_find_pushed(windows, measured.lists, challenger, champion, params),
    )


def _find_pushed(
    windows: Windows,
    lists: Mapping[str, IntArray],
    challenger: str,
    champion: ServingChampion | None,
    params: Params,
) -> PushedProduct | None:
    """Return the product that the challenger would push into the lists, against what serves.

    Not against the champion's recipe: fitted on this training window, it has learned from the same fake users.
    """
    users = windows.item_users
    if users is None or champion is None or not len(users.suspects()):
        return None
    serving = champion.open_bundle
    before = lists[CHAMPION] if serving is None else _rank(serving(), windows.test, windows, params).items
    k = int(params.evaluation.primary.rsplit("_", 1)[1])
    return find_pushed(users, lists[challenger], before, windows.catalogue.item_id, k)


def _rank(model: Recommender, users: Users, windows: Windows, params: Params) -> Ranked:
    k, section = max(params.evaluation.ks), params.recommend
    return rank_with_scores(model, users, k, section.exclude_seen, windows.info.n_items, section.batch_users)


def _list_metrics(lists: IntArray, users: Users, windows: Windows, ks: Sequence[int]) -> Metrics:
    """Return the metrics of all lists together, which are not means over users."""
    n_items = windows.info.n_items
    return list_metrics(lists, n_items, windows.popularity, ks) | satisfaction(lists, users.ground_truth, n_items, ks)


def _compare_with_champion(measured: Measured, ks: Sequence[int]) -> None:
    """Add overlap_at_k with the champion's lists to the test metrics of every model."""
    for name, lists in measured.lists.items():
        champion = measured.lists[CHAMPION]
        measured.test[name] |= {f"overlap_at_{k}": mean_overlap_at_k(lists, champion, k) for k in ks}


def _validate(
    name: str,
    model: Recommender,
    users: Users,
    windows: Windows,
    params: Params,
    measured: Measured,
    out_of_fold: OutOfFold | None,
) -> None:
    """Add the model's validation metrics to `measured`, of lists out of fold where there are such.

    users: the rows of the question that decides; values per user are means over a user's rows.
    """
    ks, primary = params.evaluation.ks, params.evaluation.primary
    lists = _rank(model, users, windows, params).items
    if out_of_fold is not None:
        own = user_means(lists, users, ks)[primary]
        measured.in_fold[name] = float(own.mean(dtype=np.float64))
        lists[out_of_fold.user_row] = out_of_fold.lists
    values = user_means(lists, users, ks)
    found = means(values) | _list_metrics(lists, users, windows, ks)
    check_finite(found, f"{name} on validation")
    measured.validation[name], measured.values[name] = found, values[primary]
    log.info("%s: %s %.4f on validation", name, primary, found[primary])


def _test(
    name: str, model: Recommender, windows: Windows, params: Params, measured: Measured, writer: pq.ParquetWriter
) -> None:
    """Add the model's test lists, means and slices to `measured`, and its rows to the file.

    The means are those of the question that decides; the other question is a slice. Metrics of all lists together,
    and the other slices, are of lists made where the window begins.
    """
    ks = params.evaluation.ks
    ranked = _rank(model, windows.test, windows, params)
    lists = measured.lists[name] = ranked.items
    joint = _list_metrics(lists, windows.test, windows, ks) | list_shape(ranked, windows.info.n_items, ks)
    check_finite(joint, f"{name} on test")
    tables = [*user_rows(name, lists, windows.test.ground_truth, windows.masks, ks)]
    if windows.next_event is not None:
        growing = _rank(model, windows.next_event, windows, params).items
        tables.append(event_rows(name, growing, windows.next_event, windows.test, ks))
    for table in tables:
        writer.write_table(table)
        row = slice_row(table)
        if row.slice == PRIMARY_SLICE[params.gate.primary]:
            measured.test[name] = row.metrics | joint
        else:
            measured.slices.append(row)
    log.info("%s: %s %.4f on test", name, params.evaluation.primary, measured.test[name][params.evaluation.primary])
