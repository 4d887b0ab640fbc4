"""Reads files of earlier versions under the current names: one table of renamed keys per kind of file.

A bundle, a registry, a ledger, an experiment or a tuning trial outlives the version of Carousel that wrote it. To
rename a serialized key, add one row here and an example to tests/compat. Keys that are neither current nor in the
table stay unchanged; the reader refuses them as unknown.
"""

from collections.abc import Mapping, Sequence
from typing import Any

# kind of file -> path of the key, in the names of the file -> current name.
# "/" separates levels, "*" stands for any key; lists are passed through: "checks/why" is `why` in each of `checks`.
RENAMED_KEYS: dict[str, dict[str, str]] = {
    "ad_rules": {},  # rules.json of the application ads
    "application": {},  # record.json of an application
    "advice": {},  # monitor.json
    "ann_arrays": {"graph": "index"},  # ann/ of a bundle (nearest/ until version 0.1)
    "bundle_info": {  # info.json of a bundle
        "nearest/from_items": "min_items",
        "nearest": "ann",
    },
    "canary": {},  # canary.json and stopped.json of the service
    "champion": {},  # champion.json, current.json
    "completion": {},  # completion.json of the stage `complete`
    "data_checks": {},  # data_checks.json
    "decision": {},  # decision.json of the gate
    "deployment": {},  # a row of ledger.db
    "drift": {},  # drift.json
    "evaluation": {},  # evaluation.json
    "experiment": {"tightest_at": "target_users"},  # running.json, and NAME.json of those that ended
    "experiment_decision": {},  # NAME.decision.json
    "export": {},  # the manifest of an export
    "export_plan": {},  # plan.json of an export that has not ended
    "incumbent": {},  # incumbent.json of the stage `incumbent`
    "language_choice": {},  # language.json
    "lineage": {},  # tags of a registered version
    "merchandising": {},  # a rule in the event store
    "outcome": {},  # a row of ledger.db: what a deployment was worth on a day
    "scored": {},  # outcomes.json: the last scoring of what served
    "profiles": {},  # profiles.json, also in the ranker folder of a bundle
    "moment": {},  # run/moment.json
    "ranker": {  # ranker.json
        "params/check_share": "holdout_share",
        "params/focal": "focal_gamma",
        "params/match_hours": "attribution_hours",
    },
    "ranker_arrays": {},  # its tensors
    "marketing_segments": {},  # segments.json of marketing
    "marketing_summary": {},  # summary.json of marketing
    "published": {},  # current.json of an application
    "privacy": {},  # privacy.json of a stage, and of a bundle
    "recipe": {},  # recipe.json of a bundle
    "recommender": {  # model.json of every recommender
        "params/keep": "max_weights_per_item",
        "params/memory": "summarised_events",
        "params/graph": "item_graph_neighbours",
        "params/newcomer_cost": "cold_item_max_ndcg_loss",
        "params/newcomer_lenders": "cold_item_neighbour_pool",
        "blend/borrow": "cold_item_blend_weight",
    },
    "recommender_arrays": {  # its tensors
        "asked": "event_shares",
        "likeness": "cold_item_weights",
        "likes": "cold_item_neighbours",
        "net.place.weight": "net.position.weight",
        "new": "cold_items",
    },
    "search": {  # search.json, the words of the products
        "params/nearest": "similar_candidates",
        "params/popular_weight": "popularity_weight",
        "params/text_weight": "semantic_weight",
    },
    "search_arrays": {},  # its tensors
    "sentiment": {},  # sentiment.json
    "snapshot": {"counts/*/kept": "valid", "counts/*/later": "after_as_of"},  # snapshot.json
    "trial": {},  # a trial of the search over parameters
    "tombstones": {},  # forgotten.json of a shop
    "deletions": {},  # unlearn.json of a shop
    "rewritten_snapshots": {},  # rewritten.json below home
    "written_files": {},  # written.json of a shop
    "unfinished": {},  # unfinished.json of a training
    "window": {},  # metadata of drift_reference.parquet
}
# kind of file -> path, in current names -> old value -> current value
RENAMED_VALUES: dict[str, dict[str, dict[str, str]]] = {
    "experiment_decision": {"verdict": {"broken ratio": "sample ratio mismatch"}},
}
# kind of file -> path of a key that a later version added -> the value by which earlier versions behaved
ADDED_KEYS: dict[str, dict[str, Any]] = {
    "recommender": {"trainer/max_steps": 10**9},  # the training was bounded by epochs alone
}


def translate(kind: str, content: Mapping[str, Any]) -> dict[str, Any]:
    """Return the content of a file of that kind with the current names, its keys in the same order, added ones last.

    A key that the file has under both names keeps both, so that the reader refuses the old one.
    Raises KeyError for a kind that RENAMED_KEYS does not hold.
    """
    found: Any = dict(content)
    for path, new in sorted(RENAMED_KEYS[kind].items(), key=lambda row: -row[0].count("/")):  # inner levels first
        found = _with_key(found, path.split("/"), new)
    for path, values in RENAMED_VALUES.get(kind, {}).items():
        found = _with_value(found, path.split("/"), values)
    for path, value in ADDED_KEYS.get(kind, {}).items():
        found = _with_added(found, path.split("/"), value)
    return dict(found)


def has_renames(kind: str) -> bool:
    """Return whether any key or value of such a file was ever renamed, or a key added."""
    return bool(RENAMED_KEYS[kind] or RENAMED_VALUES.get(kind) or ADDED_KEYS.get(kind))


def _with_key(node: Any, steps: Sequence[str], new: str) -> Any:
    if isinstance(node, list):
        return [_with_key(part, steps, new) for part in node]
    if not isinstance(node, Mapping):
        return node
    first, rest = steps[0], steps[1:]
    if rest:
        return {key: _with_key(value, rest, new) if first in (key, "*") else value for key, value in node.items()}
    return dict(node) if new in node else {new if key == first else key: value for key, value in node.items()}


def _with_value(node: Any, steps: Sequence[str], values: Mapping[str, str]) -> Any:
    if isinstance(node, list):
        return [_with_value(part, steps, values) for part in node]
    if not steps:
        return values.get(node, node) if isinstance(node, str) else node
    if not isinstance(node, Mapping):
        return node
    first, rest = steps[0], steps[1:]
    return {key: _with_value(value, rest, values) if first in (key, "*") else value for key, value in node.items()}


def _with_added(node: Any, steps: Sequence[str], value: Any) -> Any:
    if not isinstance(node, Mapping):
        return node
    first, rest = steps[0], steps[1:]
    if rest:
        return {key: _with_added(part, rest, value) if key == first else part for key, part in node.items()}
    return {**node, **({} if first in node else {first: value})}
