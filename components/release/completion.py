"""After the verdict of a refresh, what ships learns the holdout too: the newest events count most.

The holdout judges a model that has not learned from it. Then the models that are fitted in one step are fitted again,
by the same recipe, on all events up to as_of. What was trained in steps (the sequence model, the ranker), the weights
of a blend and everything that a retrain selects stay as they were judged. The completed model is held against the
judged one by the guardrails on lists; where one fails, what was judged ships. With privacy.epsilon nothing is
completed: a second model of the same users would spend the budget a second time.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from components.contracts import WINDOWS, Check, Completion, Ranked, Recommender, Users
from components.data.tables import read_catalogue, read_info, read_interactions
from components.errors import ContractError
from components.evaluation.exposure import count_item_users, find_pushed
from components.evaluation.list_comparison import list_shape, mean_overlap_at_k
from components.evaluation.metrics import coverage_at_k
from components.evaluation.protocol import rank_with_scores, window_users
from components.params import Params, SelectionParams
from components.recommenders.factory import SIMPLE
from components.release import guardrails, list_guardrails
from components.release.checks import LISTS, make_check
from components.release.evidence import CHAMPION, Evidence
from components.times import to_iso

JUDGED = "the judged model"  # in messages


def completed_models(selection: SelectionParams) -> list[str]:
    """Return the models of the recipe that learn the holdout after the verdict; [] where it ships none."""
    parts = selection.blend.parts if selection.blend else [selection.recommender]
    return [name for name in SIMPLE if name in parts]


def judge_completion(
    split: Path, judged: Recommender, completed: Recommender, models: list[str], params: Params
) -> Completion:
    """Return whether the completed model may ship in place of the judged one: both rank for the holdout's users."""
    info = read_info(split)
    return Completion(
        judged_until=to_iso(info.fit_end),
        learned_until=to_iso(info.test_end),
        models=models,
        checks=list(_checks(split, judged, completed, params)),
    )


def _checks(split: Path, judged: Recommender, completed: Recommender, params: Params) -> Iterator[Check]:
    catalogue, k = read_catalogue(split), int(params.evaluation.primary.rsplit("_", 1)[1])
    users = window_users(split, "test", params.recommend.exclude_seen)
    before = _rank(judged, users, len(catalogue), params)
    try:
        after = _rank(completed, users, len(catalogue), params)
    except ContractError as error:
        yield make_check(LISTS, 0.0, 1.0, str(error))
        return
    yield make_check(LISTS, 1.0, 1.0, f"{len(users)} users have finite scores and sound lists")
    everything = count_item_users(read_interactions(split, WINDOWS))
    lists = {judged.name: after, CHAMPION: before}
    ks, n_items = params.evaluation.ks, len(catalogue)
    evidence = Evidence(
        primary=params.evaluation.primary,
        challenger=judged.name,
        test={
            name: list_shape(ranked, n_items, ks)
            | {f"overlap_at_{n}": mean_overlap_at_k(ranked.items, before.items, n) for n in ks}
            | {f"coverage_at_{n}": coverage_at_k(ranked.items, n_items, n) for n in ks}
            for name, ranked in lists.items()
        },
        n_users=len(users),
        over_champion=None,
        over_baselines={},
        upper_bounds={},
        simpler=[],
        slices=[],
        small_slices={},
        users_needed={},
        pushed=find_pushed(everything, after.items, before.items, catalogue.item_id, k),
    )
    yield from list_guardrails.all_checks(evidence, params, JUDGED)
    yield from guardrails.list_checks(evidence, params, JUDGED)


def _rank(model: Recommender, users: Users, n_items: int, params: Params) -> Ranked:
    section = params.recommend
    return rank_with_scores(model, users, max(params.evaluation.ks), section.exclude_seen, n_items, section.batch_users)
