"""How many items of a kind a list holds, as a request asks for it."""

from collections.abc import Sequence
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator


class Quota(BaseModel):
    """How many items of a kind a list holds, such as articles among products."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    kind: Annotated[str, Field(min_length=1, max_length=40)]
    """As in the catalogue; "product" where the shop names none."""
    at_least: Annotated[int, Field(strict=True, ge=0)] = 0
    """Fewer only where there are no more of this kind."""
    at_most: Annotated[int, Field(strict=True, ge=0)] | None = None
    """Null: any number."""

    @model_validator(mode="after")
    def bounds_in_order(self) -> Self:
        """Refuse bounds that no list can keep."""
        if self.at_most is not None and self.at_most < self.at_least:
            raise ValueError(f"expected at_most >= at_least, got {self.at_most} < {self.at_least}")
        return self


def check_quotas(quotas: Sequence[Quota], k: int) -> None:
    """Raise ValueError for two quotas of one kind, and for more items than a list of k has."""
    if len({quota.kind for quota in quotas}) < len(quotas):
        raise ValueError("expected one quota for each kind")
    wanted = sum(quota.at_least for quota in quotas)
    if wanted > k:
        raise ValueError(f"the quotas ask for {wanted} items or more, and the list has k = {k}")
