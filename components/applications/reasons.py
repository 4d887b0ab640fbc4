"""Why an application's gate decided as it did: a key with its values, from which the page makes text in its language.

The English text is made here. `components/serving/http/page/i18n/zh.json` has the same keys, as `why.KEY`.
"""

from __future__ import annotations

from pydantic import Field

from components.contracts import Record
from components.errors import ContractError

OTHER = "other"  # key of a text that has no translation
CALIBRATED, LOSS_ABOVE_OWN, LOSS_ABOVE_BASE, ERROR_ABOVE_OWN = (
    "ads_calibrated", "ads_loss_above_own", "ads_loss_above_base", "ads_error_above_own",
)  # fmt: skip
TEMPLATES = {
    CALIBRATED: "{event}: calibrated, not worse than uncalibrated and base rates on later impressions",
    LOSS_ABOVE_OWN: "{event}: base rates, the log-loss is above that of the ranker's own probabilities",
    LOSS_ABOVE_BASE: "{event}: base rates, the log-loss is above that of the base rates",
    ERROR_ABOVE_OWN: "{event}: base rates, the calibration error is above that of the ranker's own probabilities",
    "ads_no_row": "no row of the table of ads is valid",
    "ads_no_order": "a leave-one-out split has no impressions in time order",
    "ads_few_impressions": "the shop logs {n} impressions in {days} days, expected {expected} or more",
    "inventory_model": "{segment} products ({n}): the model ships; quantile loss {difference} against {baseline}, "
    "interval {low} to {high}",
    "inventory_baseline": "{segment} products ({n}): {baseline} ships; the model's quantile loss is {difference} "
    "against it, interval {low} to {high}",
    "inventory_few_purchases": "expected purchases over {days} days or more before {end}, found {n}; check the source "
    "of events",
    "inventory_short": "expected {expected} {period}s of sales or more for a back-test, found {n}",
    "inventory_incomplete": "the newest {period} has {n} purchases, the median one {expected}: the data may be "
    "incomplete; check the source of events, or set data.as_of to its end",
    "inventory_few_products": "expected {expected} products or more with {min_sales} purchases in the first half of "
    "the data, found {n}; lower inventory.min_sales",
    "response_model": "the response model is better than recency and frequency on {campaign}: top tenth {lift} times "
    "the average against {baseline_lift}",
    "response_baseline": "the response model is not better than recency and frequency on {campaign} ({gain} responses "
    "per user in the top tenth, {low} to {high}): that order ships",
    "response_no_campaign": "no campaign with a known outcome: users are ordered by recency and frequency",
    "response_order": "users are ordered by recency and frequency",
    "response_few": "response model: {n} responses of {n_users} users in earlier campaigns, expected {expected} or "
    "more and users without one; wait for further campaigns",
    "response_few_judged": "response model: campaign {campaign} has {n} responses of {n_users}, expected {expected} or "
    "more and users without one; wait for further campaigns",
    "stability_unknown": "the stability of segments is not measured",
    "segments_few": "segments: {n} users for {clusters} clusters, expected {expected} or more; lower "
    "marketing.clusters",
    "value_few_repeaters": "BG/NBD: {n} customers bought again, expected {expected} or more; wait for a longer history",
    "value_few_customers": "Gamma-Gamma: {n} customers, expected {expected} or more",
    "uplift_no_holdout": "uplift: no campaign has a holdout group; keep one in the next campaign",
    "uplift_few": "uplift: {n} {group} users with {responses} responses; an effect needs {expected} with "
    "{expected_responses} in each group",
    "uplift_not_shown": "the uplift models are not shown to be better than a random order: no effect is shown",
}


class Reason(Record):
    """One reason, in English and by its key."""

    key: str
    text: str
    values: dict[str, str] = Field(default_factory=dict)  # of the placeholders of the key's text

    def __str__(self) -> str:
        return self.text


def give_reason(key: str, **values: object) -> Reason:
    """Return the reason of this key; raises KeyError for an unknown one, or where a value is missing."""
    texts = {name: str(value) for name, value in values.items()}
    return Reason(key=key, text=TEMPLATES[key].format(**texts), values=texts)


class UnmetError(ContractError):
    """What an application needs is not there; `reason` says what."""

    def __init__(self, key: str, **values: object) -> None:
        """Take the key and the values of `give_reason`."""
        self.reason = give_reason(key, **values)
        super().__init__(self.reason.text)


def reason_of(error: ContractError) -> Reason:
    """Return the reason that an error gives; one without a key is text only."""
    return error.reason if isinstance(error, UnmetError) else Reason(key=OTHER, text=str(error))
