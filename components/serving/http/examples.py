"""Examples in the OpenAPI schema: of each model, of answers that have no model, and of each error."""

from http import HTTPStatus
from typing import Any

ID = "3f1c9a7be2d40518a"  # of a request
TIME = "2026-03-01T12:00:00+01:00"
END = "2099-12-31T23:00:00Z"
DIGEST = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
HISTORY = [{"item_id": "P00001", "event": "view"}, {"item_id": "P00007", "event": "cart"}]
EVENT = {"user_id": "u-1", "item_id": "P00001", "event": "purchase", "timestamp": TIME, "quantity": 2, "price": 12.5}
ITEM = {"item_id": "P00012", "title": "Red tea pot", "score": 0.42}
EXPLAINED = {**ITEM, "contributions": {"ease": 0.3, "content": 0.12}, "explained_by": "P00001"}
PROBABILITIES = {"item_id": "P00012", "click": 0.11, "cart": 0.04, "purchase": 0.01}
PAST = {"item_id": "P00001", "event": "view", "timestamp": TIME}
SHOWN = {"item_id": "P00001", "title": "Green tea", "event": "view", "time": TIME}
AD = {
    "decision_id": f"{ID}-1", "ad_id": "ad-01", "item_id": "P00012", "text": "", "campaign": "spring", "slot": 1,
    "bid_type": "click", "price": 0.31, "probability": 0.12, "propensity": 0.95,
}  # fmt: skip
QUOTA = {"kind": "article", "at_least": 2, "at_most": 3}
RULE = {"kind": "pin", "item_id": "P00012", "position": 2, "category": "Kitchen > Tea", "by": "Ann"}
STORED_RULE = {
    **RULE, "rule_id": "pin-1f3a9c02", "where": None, "factor": None, "until": None, "created_at": TIME, "note": "",
    "title": "Red tea pot", "n_products": 1, "is_active": True,
}  # fmt: skip
DESCRIBED = {
    "title": "Green tea", "brand": "Leaf", "category": "Kitchen > Tea", "language": "en", "kind": "product",
    "price": 12.5,
}  # fmt: skip
SAMPLED = {"user_id": "u-1", "n_recent": 12, "first": TIME, "last": TIME}
INTERVAL = {
    "start": TIME, "seconds": 30.0, "requests": 120, "errors": 0, "refused": 1, "fallbacks": 9, "p50_ms": 1.2,
    "p99_ms": 8.0,
}  # fmt: skip
REASON = {
    "key": "inventory_model", "text": "dense products (41): the model ships; quantile loss -3.1% against croston, "
    "interval -4.0% to -2.2%", "values": {"segment": "dense", "n": "41", "difference": "-3.1%", "baseline": "croston",
    "low": "-4.0%", "high": "-2.2%"},
}  # fmt: skip
APPLICATION = {
    "application": "inventory", "as_of": TIME, "simulated": False, "ships": "model", "reasons": [REASON],
    "metrics": {"inventory/wrmsse": 0.81}, "limits": [], "counts": {"products": 420},
}  # fmt: skip
MEMBER = {
    "user_id": "u-1", "segment": "champions", "behaviour": "frequent visitors", "slot": "weekday evening", "hour": 20,
    "response_rank": 0.93,
}  # fmt: skip
AUDIENCE = {
    "as_of": TIME, "n_users": 180, "n_held_out": 20, "n_unknown": 0, "expected_response": 0.09, "sample": [MEMBER],
}  # fmt: skip
DECILE: dict[str, Any] = {"decile": 1, "n_users": 100, "responses": 12, "rate": 0.12, "lift": 2.4, "baseline_lift": 1.6}
GAIN: dict[str, Any] = {"gain": 0.004, "low": 0.001, "high": 0.007, "n_users": 1000}
RESPONSE: dict[str, Any] = {
    "campaign": "spring", "trained_on": ["winter"], "model": "logistic", "n_users": 1000, "responses": 50, "auc": 0.71,
    "baseline_auc": 0.63, "top_decile_lift": 2.4, "top_decile_lift_low": 1.8, "top_decile_lift_high": 3.1,
    "baseline_top_decile_lift": 1.6, "past_rate_top_decile_lift": 1.9, "deciles": [DECILE],
    "gain": GAIN,
}  # fmt: skip
HOUR = {"hour": 9, "planned": 4.2, "spent": 4.1, "impressions": 120, "clicks": 13, "purchases": 1}
CAMPAIGN: dict[str, Any] = {
    "campaign": "spring", "ads": 3, "daily_budget": 60.0, "planned": 20.5, "spent": 20.1, "is_active": True,
    "hours": [HOUR],
}  # fmt: skip
SEGMENT = {
    "name": "champions",
    "kind": "value",
    "description": "Bought lately and often.",
    "n_users": 120,
    "share": 0.12,
}
TRAITS = [{"name": "visits_per_week", "level": "high"}, {"name": "Tea", "level": "category"}]
BEHAVIOUR_SEGMENT = SEGMENT | {
    "name": "frequent visitors, Tea", "kind": "behaviour", "traits": TRAITS,
    "description": "Compared with all users: frequent visitors; Tea.",
}  # fmt: skip
LIST = {"version": 3, "model": "hybrid", "reason": None, "items": [EXPLAINED]}
PRODUCT = {
    "item_id": "P00012", "title": "Red tea pot", "category": "Kitchen > Tea", "action": "order", "method": "model",
    "demand_per_day": 2.1, "usual_per_day": 1.8, "reorder_point": 61.0, "order_up_to": 76.0, "order_quantity": 56.0,
    "stock": 20.0, "days_of_cover": 9.5, "stockout_probability": 0.97, "days_since_sale": 0.0, "price": 12.5,
    "holding_cost_per_year": 62.5,
}  # fmt: skip
PERIOD = {
    "step": 1, "start": TIME, "mean": 14.7, "low": 7.0, "high": 24.0,
    "q05": 7.0, "q25": 11.0, "q50": 14.0, "q75": 18.0, "q90": 22.0, "q95": 24.0,
}  # fmt: skip

SCHEMAS: dict[str, list[dict[str, Any]]] = {
    "Accepted": [{"request_id": ID, "accepted": 2, "new": 2}],
    "AdOutcomeAnswer": [{"request_id": ID, "new": True, "charged": 0.31}],
    "AdOutcomeRequest": [{"decision_id": f"{ID}-1", "event": "click"}],
    "AdsAnswer": [{"request_id": ID, "ads": [AD]}],
    "AdsRequest": [{"user_id": "u-1", "slot": 1}, {"history": HISTORY, "slot": 2, "k": 3}],
    "AdsStatus": [{"as_of": TIME, "campaigns": [CAMPAIGN], "logged": None}],
    "Alive": [{"status": "alive"}],
    "Answer": [{"request_id": ID, "version": 3, "model": "hybrid", "reason": None, "items": [ITEM]}],
    "ApplicationRecord": [APPLICATION],
    "ApplicationsAnswer": [
        {
            "applications": [APPLICATION],
            "states": {"ads": "disabled", "inventory": "published", "marketing": "enabled"},
            "unshipped": {"marketing": [REASON]},
        }
    ],
    "ArmAnswer": [{"request_id": ID, "experiment": "spring", "arm": "challenger", "version": 4}],
    "AudienceAnswer": [AUDIENCE],
    "AudienceBody": [{"expression": 'orders >= 3 and segment != "lapsed"', "sample": 5}],
    "CampaignStatus": [CAMPAIGN],
    "CanaryAnswer": [{"share": 0.1}],
    "CanaryRequest": [{"share": 0.1}],
    "ChosenAdItem": [AD],
    "CardAnswer": [
        {"metadata": {"license": "apache-2.0", "tags": ["recommendation"]}, "markdown": "# Carousel hybrid"}
    ],
    "CompareRequest": [{"user_id": "u-1", "k": 10}, {"user_id": "u-1", "quotas": [QUOTA]}],
    "Context": [{"item_id": "P00003", "session_id": "s-81"}],
    "Decile": [DECILE],
    "DescribeRequest": [{"item_ids": ["P00001", "P00012"]}],
    "EventIn": [EVENT],
    "EventsRequest": [{"events": [{"user_id": "u-1", "item_id": "P00001", "event": "view"}]}, {"events": [EVENT]}],
    "Filters": [{"category": "Kitchen > Tea", "max_price": 50, "in_stock": True, "rules": ['brand != "X"']}],
    "ForecastAnswer": [{"as_of": TIME, "product": PRODUCT, "periods": [PERIOD]}],
    "ForecastPeriod": [PERIOD],
    "ForgetAnswer": [{"events": 12}],
    "ForgetRequest": [{"user_id": "u-1"}],
    "HistoryEvent": [HISTORY[0]],
    "HourSpend": [HOUR],
    "Interval": [GAIN],
    "InventoryAnswer": [{"as_of": TIME, "total": 1, "items": [PRODUCT]}],
    "InventoryProduct": [PRODUCT],
    "Item": [EXPLAINED],
    "ItemProbabilities": [PROBABILITIES],
    "ItemsRequest": [{"user_id": "u-1", "item_ids": ["P00012", "P00015"]}],
    "MemberAnswer": [MEMBER],
    "ModelComparison": [{"history": [SHOWN], "champion": LIST, "challenger": None, "products": {}}],
    "ModelList": [LIST],
    "PastEvent": [SHOWN],
    "PreviewAnswer": [{"before": [ITEM], "after": [{**ITEM, "rule": "pin-1f3a9c02"}]}],
    "PreviewRequest": [{"user_id": "u-1", "category": "Kitchen > Tea", "k": 10, "rule": RULE}],
    "Product": [DESCRIBED],
    "ProductSearch": [{"items": [ITEM], "products": {"P00012": DESCRIBED}, "reason": None}],
    "ProfileAnswer": [{"request_id": ID, "user_id": "u-1", "history": [PAST], "profile": {"frequency": 1}}],
    "Quota": [QUOTA],
    "RankAnswer": [{"request_id": ID, "version": 3, "items": [PROBABILITIES]}],
    "Ready": [{"status": "ready", "version": 3, "model": "hybrid", "digest": DIGEST}],
    "RecommendRequest": [
        {"user_id": "u-1", "k": 10},
        {"history": HISTORY, "k": 5, "diversity": 0.3},
        {"user_id": "u-1", "filters": {"rules": ['price < 50 and brand != "X"']}},
        {"user_id": "u-1", "quotas": [QUOTA]},
    ],
    "RemoveRuleRequest": [{"rule_id": "pin-1f3a9c02", "by": "Ann"}],
    "RuleAnswer": [STORED_RULE],
    "RuleRequest": [RULE, {"kind": "boost", "where": 'brand == "X"', "factor": 2, "until": END, "by": "Ann"}],
    "RulesAnswer": [{"rules": [STORED_RULE], "max_rules": 200}],
    "ResponseJudgement": [RESPONSE],
    "Reason": [REASON],
    "SampledUser": [SAMPLED],
    "SearchRequest": [{"query": "red tea pot", "user_id": "u-1", "k": 10}],
    "SegmentSummary": [SEGMENT, BEHAVIOUR_SEGMENT],
    "SegmentsAnswer": [
        {
            "as_of": TIME,
            "segments": [SEGMENT],
            "fields": {"orders": "visits with a purchase", "segment": "segment by value"},
            "holdout_share": 0.1,
            "expected_response": 0.05,
            "response": RESPONSE,
        }
    ],
    "SimilarRequest": [{"item_id": "P00001", "k": 10}],
    "StockAnswer": [{"products": 2}],
    "StockRequest": [{"quantities": {"P00001": 0, "P00012": 40}}],
    "StoredHistoryEvent": [PAST],
    "RecentTraffic": [
        {"intervals": [INTERVAL], "total": INTERVAL, "routes": {"/recommend": 120}, "reasons": {"no history": 9}}
    ],
    "TrafficInterval": [INTERVAL],
    "UserRequest": [{"user_id": "u-1"}],
    "Trait": TRAITS,
    "UserSamples": [{"active": [SAMPLED], "new": [], "returning": [SAMPLED], "random": []}],
    "VersionAnswer": [{"version": 3}],
}

ROUTES: dict[str, Any] = {
    "GET /page/kinds": {"product": 1200, "article": 80},
    "GET /page/categories": ["Kitchen", "Kitchen > Tea"],
    "GET /page/users": ["u-1", "u-12"],
    "POST /page/describe": {"P00001": DESCRIBED},
    "GET /status": {
        "registry": None,
        "champion": {"version": 3, "model": "hybrid", "digest": DIGEST},
        "since": TIME,
        "serving": 3,
        "canary": {"share": 0.0, "stopped": None},
        "deployments": [],
        "checks": [],
    },
}

_DETAILS = {
    400: "the body is not complete gzip, as its Content-Encoding says",
    401: "all routes but the probes need CAROUSEL_READ_TOKEN as a bearer token",
    403: "the Host header is none of serving.allowed_hosts",
    404: "the champion has no product with this item_id",
    408: "the body did not arrive within 10 s",
    409: "there is no previous version in memory",
    413: "the body is over 64 KiB (serving.max_body_kib), unpacked",
    415: "the body must be JSON in UTF-8: send the header Content-Type: application/json",
    422: "1 error(s) in the request",
    429: "too many wrong tokens; try again in a second",
    500: "the service failed; its log has the reason",
    503: "there is no champion yet",
}
PROBLEMS: dict[int, dict[str, Any]] = {
    status: {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
        "request_id": ID,
        "errors": [],
    }
    for status, detail in _DETAILS.items()
}
PROBLEMS[422]["errors"] = [{"where": "body.events.0.item_id", "what": "expected this field, which is missing"}]
SCHEMAS["Problem"] = [PROBLEMS[422]]
