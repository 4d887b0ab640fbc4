"""Sections search, ann, experiments and serving: what the HTTP service does."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from components.params.base import Count, Positive, Section, Share, Size
from components.params.hosts import checked_host, checked_origin


class SearchParams(Section):
    """Search in the catalogue: BM25 over fields, text embeddings, popularity and the user's taste."""

    field_weights: dict[Literal["title", "brand", "category", "text"], Annotated[float, Field(ge=0)]]
    k1: Positive = Field(default=1.2, description="BM25 saturation of repeated words")
    b: Share = Field(default=0.5, description="BM25 normalisation by field length; 0: none, 1: full")
    semantic_weight: Annotated[float, Field(ge=0)]
    popularity_weight: Annotated[float, Field(ge=0)]
    personal_weight: Annotated[float, Field(ge=0)]
    similar_candidates: Size = Field(
        default=100, description="items without any word of the query that text similarity may add"
    )
    min_queries: Count = Field(
        default=100,
        description="searches with a click in the validation window from which the weights of words, similarity, "
        "popularity and clicks are learned; with fewer, the weights above count",
    )
    prefix_weight: Share = Field(default=0.5, description="weight of words that begin with the query's last word")
    typo_weight: Share = Field(default=0.5, description="weight of a known word one edit away; two edits: squared")

    @model_validator(mode="after")
    def all_fields(self) -> "SearchParams":
        """Require a weight for each field."""
        missing = {"title", "brand", "category", "text"} - set(self.field_weights)
        if missing:
            raise ValueError(f"search.field_weights: expected title, brand, category and text, missing {missing}")
        return self


class AnnParams(Section):
    """The ANN index (HNSW) over text embeddings of a large catalogue."""

    min_items: Count = Field(
        default=50_000,
        description="items from which the index is built; below, embeddings of content.dims are compared exactly",
    )
    connectivity: Annotated[int, Field(ge=2, le=256)] = Field(
        default=24, description="links per item (HNSW M); more: higher recall, larger index"
    )
    expansion_add: Count = Field(
        default=192, description="items visited when one is added (ef_construction); more: higher recall, slower build"
    )
    expansion_search: Count = Field(
        default=512, description="items visited by a query, at least (ef); more: higher recall, slower answers"
    )


class ExperimentsParams(Section):
    """A/B tests on the live service, started by `carousel experiment start`."""

    alpha: Annotated[float, Field(gt=0, lt=1)]
    window_hours: Positive
    min_users: Annotated[int, Field(ge=2)]
    target_users: Annotated[int, Field(ge=2)] = Field(
        default=5000, description="users in all at which the confidence sequence is narrowest"
    )


class ExposureParams(Section):
    """The exposure log: lists that were shown, as Parquet files of impressions."""

    rows_per_file: Count = Field(default=20_000, description="rows after which a file is written")
    flush_s: Positive = Field(default=10, description="seconds after which waiting rows are written")
    max_queue_rows: Count = Field(
        default=200_000, description="rows in memory of one process; more are dropped and counted"
    )


class ChallengerParams(Section):
    """Traffic of the version under the alias challenger, and when its canary stops."""

    shadow_share: Share
    canary_share: Share
    min_requests: Count = Field(default=200, description="canary requests before it is judged")
    max_extra_failure_share: Share = Field(
        default=0.01, description="share of canary answers that may fail beyond the champion's; more stops it"
    )
    max_latency_ratio: Annotated[float, Field(ge=1)] = Field(
        default=2.0, description="mean latency of the canary, in multiples of the champion's; more stops it"
    )


class ServingParams(Section):
    """The HTTP service."""

    host: str
    port: Annotated[int, Field(ge=0, le=65535)]
    max_k: Count
    poll_s: Positive = Field(default=5.0, description="seconds between two reads of the champion alias")
    max_body_kib: Count = Field(default=64, description="KiB of a request body; larger ones get 413")
    timeout_s: Positive = Field(default=10, description="seconds in which a request body must arrive")
    threads: Count = Field(
        default=2, description="threads of one process for searches, filtered lists and explanations"
    )
    store_connections: Count = Field(
        default=8, description="connections of one process to the event store: histories read at once"
    )
    max_queue: Count
    workers: Count
    max_batch_size: Count = Field(default=32, description="waiting users that are scored in one batch, at most")
    list_cache_size: Size = Field(
        default=20_000, description="lists cached by history, 8 bytes x max_k each; 0: no cache"
    )
    allowed_hosts: list[Annotated[str, AfterValidator(checked_host)]]
    cors_origins: list[Annotated[str, AfterValidator(checked_origin)]] = Field(
        default_factory=list,
        description="origins whose pages may call the service and read its answers: https://shop.example; *: any",
    )
    page: bool
    event_retention_days: Count
    max_prune_share: Share = Field(
        default=0.5, description="share of stored events that a start may remove as too old; beyond it, none is removed"
    )
    exposures: ExposureParams = Field(default_factory=ExposureParams)
    challenger: ChallengerParams
