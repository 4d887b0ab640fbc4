"""Section federated: learning with other shops or devices, over secure sums."""

from typing import Annotated, Literal

from pydantic import Field

from components.params.base import Count, Positive, Section, Share

LocalPart = Literal["item_ids", "event_heads", "last_block"]


class FederatedParams(Section):
    """Secure sums and federated averaging; read by `carousel federated` alone."""

    min_clients: Annotated[int, Field(ge=2)] = Field(
        default=3, description="members whose values a sum has at least; below it the sum fails"
    )
    threshold: Annotated[float, Field(gt=0.5, le=1)] = Field(
        default=0.6,
        description="share of members that restores a mask; fewer colluding ones learn nothing, but so many must stay",
    )
    deadline_s: Positive = Field(default=60.0, description="seconds that a step waits for answers; then it goes on")
    wait_s: Positive = Field(default=60.0, description="seconds that the coordinator waits for all members at first")
    max_items: Count = Field(
        default=2000,
        description="most popular products in the sums of EASE and transitions; bytes grow with its square",
    )
    max_message_mb: Count = Field(default=512, description="larger messages are refused (MiB)")
    rounds: Annotated[int, Field(ge=0)] = Field(
        default=20, description="rounds of federated averaging of the sequence model; 0: closed-form models only"
    )
    local_epochs: Count = Field(default=2, description="passes over its events that a client makes per round")
    client_share: Share = Field(default=1.0, description="share of the clients that are drawn for a round")
    clip_norm: Positive | None = Field(
        default=None, description="norm to which a client's update is clipped; null: not clipped"
    )
    local_parts: list[LocalPart] = Field(
        default=[],
        description="parts of the sequence model that each client keeps for itself: item_ids, event_heads, last_block",
    )
