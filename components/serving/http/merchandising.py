"""Routes of merchandisers, behind the administrator's token: add, remove and try rules. Changes are in audit.jsonl."""

from __future__ import annotations

import json
from typing import Annotated, Self

from fastapi import Depends, FastAPI, Request
from pydantic import AfterValidator, AwareDatetime, Field, model_validator

from components.rule_language import RuleError
from components.serving.field_types import OptionalId, Timestamp
from components.serving.http.admin import ADMIN_ERRORS, Admin
from components.serving.http.problems import ERRORS, ProblemError, Responses, check_list_length
from components.serving.inference.errors import UnknownItemError
from components.serving.inference.rules import check_cost
from components.serving.inference.service import RecommendationService
from components.serving.schemas import MAX_RULE_LENGTH, Body, Filters, Item, ListLength, RecommendRequest, Reply
from components.serving.storage.merchandising import (
    MAX_RULES,
    NO_RULES,
    MerchandisingRule,
    RuleKind,
    RuleSet,
    TooManyRulesError,
    new_rule_id,
    read_rules,
)
from components.times import now_micros, to_datetime, to_iso, to_micros

MAX_POSITION, MAX_FACTOR = 50, 100
RULE_ERRORS: Responses = {**ADMIN_ERRORS, 404: ERRORS[422], 409: ERRORS[422]}


def _printable(text: str) -> str:
    if not text.isprintable():
        raise ValueError("expected text without control characters")
    return text.strip()


Category = Annotated[str, Field(min_length=1, max_length=400), AfterValidator(_printable)]


class RuleRequest(Body):
    """What a merchandiser wants: a product at a position, or products lower or higher in the lists."""

    kind: RuleKind
    item_id: OptionalId = None
    """The product. Null: those that `where` names."""
    where: Annotated[str, Field(min_length=1, max_length=MAX_RULE_LENGTH)] | None = None
    """An expression over product columns, as in filters.rules: all products for which it is true. Not of a pin."""
    position: Annotated[int, Field(ge=1, le=MAX_POSITION)] | None = None
    """Of a pin, from 1; null: 1."""
    factor: Annotated[float, Field(gt=1, le=MAX_FACTOR)] | None = None
    """Of a boost: the position in the model's list is divided by it; null: 2."""
    category: Category | None = None
    """Only in lists whose filter asks for this category or one below it; null: in all lists."""
    until: Timestamp | None = None
    """When the rule ends. Null: when it is removed."""
    by: Annotated[str, Field(min_length=1, max_length=80), AfterValidator(_printable)]
    """Who adds the rule; it is in the audit log."""
    note: Annotated[str, Field(max_length=200), AfterValidator(_printable)] | None = None

    @model_validator(mode="after")
    def fits_its_kind(self) -> Self:
        """Refuse fields that the kind does not have."""
        if self.kind == "pin" and (self.item_id is None or self.where is not None):
            raise ValueError("a pin has an item_id and no `where`")
        if (self.item_id is None) == (self.where is None):
            raise ValueError("expected either an item_id or `where`")
        if self.position is not None and self.kind != "pin":
            raise ValueError("only a pin has a position")
        if self.factor is not None and self.kind != "boost":
            raise ValueError("only a boost has a factor")
        return self


class RuleAnswer(Reply):
    """One rule."""

    rule_id: str
    kind: RuleKind
    item_id: str | None
    where: str | None
    position: int | None
    factor: float | None
    category: str | None
    until: AwareDatetime | None
    by: str
    created_at: AwareDatetime
    note: str
    title: str | None
    """Of the product; null where the champion does not know it, or the rule names many."""
    n_products: int
    """Products of the champion that the rule names now."""
    is_active: bool
    """False: its date has passed."""


class RulesAnswer(Reply):
    """All rules, oldest first."""

    rules: list[RuleAnswer]
    max_rules: int


class RemoveRuleRequest(Body):
    """A rule to remove."""

    rule_id: Annotated[str, Field(max_length=40)]
    by: Annotated[str, Field(min_length=1, max_length=80), AfterValidator(_printable)]
    """Who removes the rule; it is in the audit log."""


class PreviewRequest(Body):
    """A list, and a rule to try on it."""

    user_id: OptionalId = None
    category: Category | None = None
    """Of the list, as filters.category."""
    k: ListLength = 10
    rule: RuleRequest | None = None
    """Null: the rules that apply now are compared with none."""


class PreviewAnswer(Reply):
    """The list before and after. The rules that apply now are in both, if a rule is tried."""

    before: list[Item]
    after: list[Item]


def add_merchandising(app: FastAPI, admin: Admin) -> None:
    """Add the routes."""
    add_rules(app, admin)
    add_preview(app, admin)


def add_rules(app: FastAPI, admin: Admin) -> None:
    """Add the routes that list and change rules."""
    service, may = admin.service, [Depends(admin.authorize)]

    @app.get("/admin/rules", dependencies=may, tags=["Merchandising"], responses=ADMIN_ERRORS)
    async def rules() -> RulesAnswer:
        """Return all merchandising rules, oldest first, also those whose date has passed."""
        return await service.workers.run_in_worker(lambda: _list_rules(service))

    @app.post("/admin/rules", dependencies=may, tags=["Merchandising"], responses=RULE_ERRORS)
    async def add_rule(body: RuleRequest, request: Request) -> RuleAnswer:
        """Pin, bury or boost products in the lists of /recommend: here at once, in other processes within a second."""
        rule = _to_rule(service, body)

        def work() -> RuleAnswer:
            service.merchandising.add(rule)
            admin.audit.write(describe_rule(rule), "added", request.state.request_id, by=rule.by)
            return _to_answer(service, rule)

        try:
            return await service.workers.run_in_worker(work)
        except TooManyRulesError as error:
            raise ProblemError(409, str(error)) from None

    @app.post("/admin/rules/remove", dependencies=may, tags=["Merchandising"], responses=RULE_ERRORS)
    async def remove_rule(body: RemoveRuleRequest, request: Request) -> RulesAnswer:
        """Remove a rule; return the others."""

        def work() -> RulesAnswer | None:
            removed = service.merchandising.remove(body.rule_id)
            if removed is None:
                return None
            admin.audit.write(describe_rule(removed), "removed", request.state.request_id, by=body.by)
            return _list_rules(service)

        answer = await service.workers.run_in_worker(work)
        if answer is None:
            raise ProblemError(404, "there is no such rule: it was removed before")
        return answer


def add_preview(app: FastAPI, admin: Admin) -> None:
    """Add the route that tries a rule."""
    service, may = admin.service, [Depends(admin.authorize)]

    @app.post("/admin/rules/preview", dependencies=may, tags=["Merchandising"], responses=RULE_ERRORS)
    async def preview_rule(body: PreviewRequest) -> PreviewAnswer:
        """Return a list before and after a rule that is not added yet; nothing is changed or logged."""
        check_list_length(body.k, service.params.max_k)
        applied = await service.workers.run_in_worker(service.merchandising.refresh)
        before, after = NO_RULES, applied
        if body.rule is not None:
            before, after = applied, RuleSet((*applied.rules, _to_rule(service, body.rule)))
        filters = Filters(category=body.category) if body.category else Filters()
        request = RecommendRequest(user_id=body.user_id, k=body.k, filters=filters)
        lists = [(await service.preview(request, rules)).items for rules in (before, after)]
        return PreviewAnswer(before=lists[0], after=lists[1])


def describe_rule(rule: MerchandisingRule) -> str:
    """Return the rule on one line, for the audit log."""
    what = rule.item_id if rule.item_id is not None else f"products where {rule.where}"
    detail = f" at {rule.position}" if rule.kind == "pin" else f" by {rule.factor:g}" if rule.factor else ""
    scope = f" in {json.dumps(rule.category, ensure_ascii=False)}" if rule.category else ""
    end = f" until {to_iso(rule.until)}" if rule.until else ""
    return f"merchandising: {rule.kind} {what}{detail}{scope}{end} (rule {rule.rule_id})"


def _to_rule(service: RecommendationService, body: RuleRequest) -> MerchandisingRule:
    """Return the rule as it is stored; raises ProblemError or UnknownItemError where it would do nothing."""
    now, until = now_micros(), None if body.until is None else to_micros(body.until)
    if until is not None and until <= now:
        raise ProblemError(422, "until: expected a time in the future")
    if body.item_id is not None and body.item_id not in service.champion().bundle.index:
        raise UnknownItemError
    if body.where is not None:
        try:
            check_cost([body.where])
        except RuleError as error:
            raise ProblemError(422, f"where: {error}") from None
    return MerchandisingRule(
        rule_id=new_rule_id(body.kind),
        kind=body.kind,
        item_id=body.item_id,
        where=body.where,
        position=(body.position or 1) if body.kind == "pin" else None,
        factor=(body.factor or 2.0) if body.kind == "boost" else None,
        category=body.category,
        until=until,
        by=body.by,
        created_at=now,
        note=body.note or "",
    )


def _list_rules(service: RecommendationService) -> RulesAnswer:
    rules = [_to_answer(service, rule) for rule in read_rules(service.store)]
    return RulesAnswer(rules=rules, max_rules=MAX_RULES)


def _to_answer(service: RecommendationService, rule: MerchandisingRule) -> RuleAnswer:
    champion = service.champion()
    bundle, found = champion.bundle, 0
    if rule.where is not None:
        try:
            found = int(service.contexts.get(champion).catalogue_filter.rule_mask(rule.where).sum())
        except RuleError:  # of a version with other rules
            found = 0
    elif rule.item_id in bundle.index:
        found = 1
    index = bundle.index.get(rule.item_id or "", 0)
    return RuleAnswer(
        **rule.model_dump(exclude={"until", "created_at"}),
        until=None if rule.until is None else to_datetime(rule.until),
        created_at=to_datetime(rule.created_at),
        title=bundle.titles[index] if index else None,
        n_products=found,
        is_active=not rule.has_ended(now_micros()),
    )
