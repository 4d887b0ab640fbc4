"""Objects that are derived from a bundle once and shared by requests: rule masks, profiles, search."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import cached_property

from components.contracts import Users
from components.params import LanguageParams
from components.release.bundle import Bundle
from components.serving.inference.histories import HistoryRow, build_user
from components.serving.inference.merchandising import Merchandise, Merchandiser
from components.serving.inference.online_features import OnlineFeatures
from components.serving.inference.recommendations import (
    Find,
    Recommendation,
    explain_items,
    find_ruled,
    item_idx_of,
    recommend,
    to_items,
)
from components.serving.inference.rules import CatalogueFilter
from components.serving.inference.scorer import NO_HISTORY, ScoredList
from components.serving.inference.search_service import SearchService
from components.serving.models.watcher import ServedModel
from components.serving.schemas import Filters, RecommendRequest, SearchRequest, SimilarRequest
from components.serving.storage.merchandising import NO_RULES, RuleSet

OutOfStock = frozenset[str]  # item_ids; they count only where the filters ask for products in stock


class ModelContext:
    """A bundle and what is derived from it, each part on first use. Its answers are those of every route and command.

    What a request names must be read before: the user's history and the stock. Filters may raise RuleError.
    """

    def __init__(self, bundle: Bundle, language: LanguageParams) -> None:
        self.bundle, self.language = bundle, language
        self._merchandiser: Merchandiser | None = None

    @cached_property
    def catalogue_filter(self) -> CatalogueFilter:
        """Return the filter of its products."""
        return CatalogueFilter(self.bundle.catalogue, self.bundle.index)

    @cached_property
    def online_features(self) -> OnlineFeatures:
        """Return the object that computes profiles and probabilities."""
        return OnlineFeatures(self.bundle)

    @cached_property
    def search(self) -> SearchService:
        """Return the search in its products."""
        return SearchService(self.bundle, self.language)

    def recommend(
        self,
        user: Users,
        scored: ScoredList,
        request: RecommendRequest,
        out_of_stock: OutOfStock,
        rules: RuleSet = NO_RULES,
    ) -> Recommendation:
        """Return the best products of the user's list that the request allows, after the merchandising rules."""
        mask = self.catalogue_filter.allowed(request.filters, request.excluded, out_of_stock)
        return recommend(self.bundle, user, scored, request, mask, self._merchandise(rules, request.filters))

    def compile_rules(self, rules: RuleSet) -> Merchandiser:
        """Return the rules by item_idx of the bundle; those with a version are cached, the last ones."""
        found = self._merchandiser
        if found is not None and rules.version is not None and found.version == rules.version:
            return found
        compiled = Merchandiser(rules, self.catalogue_filter)
        if rules.version is not None:
            self._merchandiser = compiled
        return compiled

    def search_products(
        self, request: SearchRequest, user: Users | None, out_of_stock: OutOfStock, rules: RuleSet = NO_RULES
    ) -> Recommendation | None:
        """Return products for a query, ranked for the user; None where the bundle holds no index."""
        mask = self.catalogue_filter.allowed(request.filters, [], out_of_stock)
        rules_of_list = self._merchandise(rules, request.filters)
        if request.image is not None:
            return self.search.search_picture(request.image, request.query, request.k, mask, rules_of_list)
        return self.search.search(request.query, user, request.k, mask, rules_of_list)

    def find(
        self, find: Find, request: SimilarRequest, out_of_stock: OutOfStock, rules: RuleSet = NO_RULES
    ) -> Recommendation:
        """Return the products that `find` lists for one, after the merchandising rules; raises UnknownItemError."""
        mask = self.catalogue_filter.allowed(request.filters, request.excluded, out_of_stock)
        merchandise = self._merchandise(rules, request.filters)
        return find_ruled(self.bundle, find, request, mask, merchandise)

    def _merchandise(self, rules: RuleSet, filters: Filters) -> Merchandise | None:
        """Return the rules of a list with these filters; None where none applies."""
        return self.compile_rules(rules).for_list(filters.category) if rules.rules else None

    def explain(self, user: Users, item_ids: Sequence[str]) -> Recommendation:
        """Return scores, contributions and explanations of the given products that the bundle knows."""
        order = item_idx_of(self.bundle, item_ids)
        items = to_items(self.bundle, order, self.bundle.model.score(user, order)[0]) if len(order) else []
        reason = None if len(user.history.item_idx) else NO_HISTORY
        return Recommendation(explain_items(self.bundle, user, order, items), self.bundle.info.model, reason)

    def warm_up(self, histories: Iterable[Sequence[HistoryRow]]) -> None:
        """Load filter, search and model by using each, so that no request waits for it; raises what they raise."""
        self.catalogue_filter.prepare()
        self.search.warm_up()
        for rows in histories:
            user = build_user(self.bundle, rows)
            if len(user.history.item_idx):
                self.bundle.model.recommend(user, 1, self.bundle.info.exclude_seen)


class ModelContexts:
    """The contexts of the models that serve, by digest of the bundle."""

    def __init__(self, language: LanguageParams, active: Callable[[], Iterable[ServedModel | None]]) -> None:
        """active: returns the models whose contexts stay in memory."""
        self.language, self.active = language, active
        self._contexts: dict[str, ModelContext] = {}

    def get(self, served: ServedModel) -> ModelContext:
        """Return the context of a model; making one drops those of models that are no longer active."""
        digest = served.bundle.digest
        context = self._contexts.get(digest)
        if context is None:
            active = {model.bundle.digest for model in self.active() if model is not None}
            context = ModelContext(served.bundle, self.language)
            self._contexts = {d: c for d, c in self._contexts.items() if d in active} | {digest: context}
        return context
