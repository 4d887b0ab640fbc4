"""The answers of the service from one bundle, computed in this process.

Histories, filters, scoring and explanations are the functions that the service calls; only the threads are left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

from components.contracts import BoolArray, Users
from components.errors import ContractError
from components.io import describe_problems
from components.params import Params
from components.release.bundle import Bundle
from components.rule_language import RuleError
from components.serving.inference.errors import MissingPartError
from components.serving.inference.histories import build_user, to_rows
from components.serving.inference.model_context import ModelContext
from components.serving.inference.recommendations import Find, Recommendation, find_bought_together, find_similar
from components.serving.inference.rules import check_cost
from components.serving.inference.scorer import score_users
from components.serving.quota import Quota
from components.serving.schemas import (
    Filters,
    ItemsRequest,
    RecommendRequest,
    SearchRequest,
    SimilarRequest,
    UserOrHistory,
)
from components.serving.storage.commit_queue import Row
from components.serving.storage.event_store import EventStore
from components.serving.storage.merchandising import NO_RULES, RuleSet, active_rules
from components.times import now_micros

NO_STORE = "the events of users are in a shop's event store, and none was opened; give a history"


class OfflineModel:
    """A bundle, and the event store that the histories and the stock of its shop are read from."""

    def __init__(
        self, bundle: Bundle, params: Params, store: EventStore | None = None, version: int | None = None
    ) -> None:
        """store: None: only histories in requests count. version: in the registry; None: the bundle is of a folder."""
        self.bundle, self.params, self.store, self.version = bundle, params, store, version
        self.context = ModelContext(bundle, params.language)

    @cached_property
    def rules(self) -> RuleSet:
        """Return the merchandising rules of the shop's event store, as they were at the first use."""
        return NO_RULES if self.store is None else active_rules(self.store, now_micros())

    def recommend(self, request: RecommendRequest, now: int | None = None) -> Recommendation:
        """Return products for a user or a history; see `recommend_batch`."""
        return self.recommend_batch([request], now)[0]

    def recommend_batch(self, requests: Sequence[RecommendRequest], now: int | None = None) -> list[Recommendation]:
        """Return products for each user or history.

        now: us; stored events up to this moment count; None: up to the present. Raises ContractError for a list that
        is too long or a wrong rule, StoreError where the histories cannot be read.
        """
        for request in requests:
            self.check_length(request.k)
        users = [self.read_user(request, now, request.context.item_id) for request in requests]
        out_of_stock = self.out_of_stock(any(request.filters.in_stock for request in requests))
        scored = score_users(self.bundle, users, self.params.serving.max_k)
        try:
            return [
                self.context.recommend(user, found, request, out_of_stock, self.rules)
                for user, found, request in zip(users, scored, requests, strict=True)
            ]
        except RuleError as error:
            raise _wrong_rule(error) from None

    def search(self, request: SearchRequest) -> Recommendation:
        """Return products for a query. Raises as `recommend_batch`, and MissingPartError for a bundle without index."""
        self.check_length(request.k)
        user = self.read_user(request) if request.personal else None
        try:
            out_of_stock = self.out_of_stock(request.filters.in_stock)
            found = self.context.search_products(request, user, out_of_stock, self.rules)
        except RuleError as error:
            raise _wrong_rule(error) from None
        if found is None:
            raise MissingPartError("the bundle was packaged before there was search; run `carousel retrain`")
        return found

    def similar(self, request: SimilarRequest) -> Recommendation:
        """Return products with a text similar to a product's. Raises as `recommend_batch`, and UnknownItemError."""
        return self._find(find_similar, request)

    def bought_together(self, request: SimilarRequest) -> Recommendation:
        """Return products that are bought together with one. Raises as `similar`."""
        return self._find(find_bought_together, request)

    def explain(self, request: ItemsRequest) -> Recommendation:
        """Return scores, contributions and explanations of the given products that the bundle knows."""
        return self.context.explain(self.read_user(request), request.item_ids)

    def read_user(self, request: UserOrHistory, now: int | None = None, context_item: str | None = None) -> Users:
        """Return the user of a request: its history, else the stored events of its user up to `now` (us)."""
        if request.history or request.user_id is None:
            return build_user(self.bundle, to_rows(request.history, context_item))
        if self.store is None:
            raise ContractError(NO_STORE)
        stored = self.store.history(request.user_id, self.bundle.info.max_history, now_micros() if now is None else now)
        return build_user(self.bundle, to_rows(stored, context_item))

    def read_histories(self, user_ids: Sequence[str], now: int) -> list[list[Row]]:
        """Return the stored events of each user up to `now` (us), oldest first: (at, item_id, event)."""
        if self.store is None:
            raise ContractError(NO_STORE)
        return self.store.item_histories(user_ids, self.bundle.info.max_history, now)

    def allowed(self, request: RecommendRequest, out_of_stock: frozenset[str]) -> BoolArray | None:
        """Return which products a request allows, None for all of them; raises ContractError for a wrong rule."""
        try:
            return self.context.catalogue_filter.allowed(request.filters, request.excluded, out_of_stock)
        except RuleError as error:
            raise _wrong_rule(error) from None

    def check_length(self, k: int) -> None:
        """Raise ContractError for a longer list than the service gives."""
        if k > self.params.serving.max_k:
            raise ContractError(
                f"k is {k}: expected a list length from 1 to serving.max_k ({self.params.serving.max_k}); "
                f"raise it with `--set serving.max_k={k}`"
            )

    def out_of_stock(self, is_asked: bool) -> frozenset[str]:
        """Return the item_ids without stock where they are asked for; raises ContractError without a store."""
        if not is_asked:
            return frozenset()
        if self.store is None:
            raise ContractError("the stock is in a shop's event store, and none was opened; leave in_stock out")
        return frozenset(item_id for item_id, quantity in self.store.stock().items() if quantity <= 0)

    def _find(self, find: Find, request: SimilarRequest) -> Recommendation:
        self.check_length(request.k)
        try:
            return self.context.find(find, request, self.out_of_stock(request.filters.in_stock), self.rules)
        except RuleError as error:
            raise _wrong_rule(error) from None


def make_filters(rules: Sequence[str], in_stock: bool) -> Filters:
    """Return filters of these rules, all of which must hold; raises ContractError for one that cannot be read."""
    try:
        check_cost(rules)
        return Filters(rules=list(rules), in_stock=in_stock)
    except ValueError as error:  # RuleError and pydantic's error are ones
        raise _wrong_rule(error) from None


def read_quota(text: str) -> Quota:
    """Return the quota that KIND:LEAST or KIND:LEAST:MOST is; raises ContractError."""
    kind, *bounds = text.split(":")
    if not kind or not 1 <= len(bounds) <= 2 or not all(bound.isdecimal() for bound in bounds):
        raise ContractError(f"--quota {text[:80]!r}: expected KIND:LEAST or KIND:LEAST:MOST, such as article:2:3")
    return Quota(kind=kind, at_least=int(bounds[0]), at_most=int(bounds[1]) if len(bounds) == 2 else None)


def _wrong_rule(error: ValueError) -> ContractError:
    return ContractError(f"rule: {describe_problems(error)}")
