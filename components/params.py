"""Typed view of params.yaml: types and bounds, no defaults. `load` merges overlays and overrides and checks."""

from pathlib import Path
from typing import Annotated, Any, Literal, get_args

import yaml
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError, model_validator

from components.contracts import EVENTS, TABLES
from components.errors import ParamsError

Share = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[float, Field(gt=0)]
Count = Annotated[int, Field(ge=1)]
EventName = Literal["view", "cart", "purchase", "return", "impression", "click"]
PartName = Literal["popularity", "neighbours", "als", "ease", "content", "interests", "sequence"]
ModelName = Literal[PartName, "hybrid"]


RENAMED = {
    "experiments.tightest_at": "experiments.target_users",
    "models.ease.keep": "models.ease.max_weights_per_item",
    "models.hybrid.newcomer_cost": "models.hybrid.cold_item_max_ndcg_loss",
    "models.hybrid.newcomer_lenders": "models.hybrid.cold_item_neighbour_pool",
    "models.sequence.graph": "models.sequence.item_graph_neighbours",
    "models.sequence.memory": "models.sequence.summarised_events",
    "nearest": "ann",
    "nearest.connectivity": "ann.connectivity",
    "nearest.expansion_add": "ann.expansion_add",
    "nearest.expansion_search": "ann.expansion_search",
    "nearest.from_items": "ann.min_items",
    "ranking.check_share": "ranking.holdout_share",
    "ranking.focal": "ranking.focal_gamma",
    "ranking.match_hours": "ranking.attribution_hours",
    "search.nearest": "search.similar_candidates",
    "search.popular_weight": "search.popularity_weight",
    "search.text_weight": "search.semantic_weight",
    "serving.challenger.max_failures": "serving.challenger.max_extra_failure_share",
    "serving.challenger.max_slower": "serving.challenger.max_latency_ratio",
    "serving.exposures.max_waiting": "serving.exposures.max_queue_rows",
    "serving.exposures.seconds": "serving.exposures.flush_s",
    "serving.hosts": "serving.allowed_hosts",
    "serving.max_waiting": "serving.max_queue",
    "serving.remembered": "serving.list_cache_size",
    "serving.state_connections": "serving.store_connections",
    "serving.state_days": "serving.event_retention_days",
    "serving.together": "serving.max_batch_size",
    "shop.newcomer_share": "shop.new_share",
}  # knobs and sections under their names in version 0.1 -> present names; an old name is refused


class Section(BaseModel):
    """A frozen section of params.yaml; an unknown knob is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class SourceParams(Section):
    """One source of one table: files, or a query on an attached SQL database."""

    path: str | None = None
    attach: str | None = None  # database file or DSN; ${VARIABLES} come from the environment
    type: Literal["sqlite", "postgres", "mysql", "duckdb"] | None = None
    query: str | None = None
    columns: dict[str, str] = {}
    where: str | None = None

    @model_validator(mode="after")
    def one_kind(self) -> "SourceParams":
        """Accept a path, or attach with type and query; never both."""
        if (self.path is None) == (self.attach is None):
            raise ValueError("a source has either `path`, or `attach` with `type` and `query`")
        if self.attach is not None and (self.type is None or self.query is None):
            raise ValueError("`attach` needs `type` and `query` beside it")
        return self


class DataParams(Section):
    """What is read, and what stops the run."""

    as_of: AwareDatetime
    simulated: bool
    max_bad_share: Share
    max_unknown_share: Share
    anonymous_events: bool
    max_text_chars: Count
    memory_gib: Positive
    threads: Annotated[int, Field(ge=0)]
    sources: dict[Literal["products", "events", "reviews", "searches", "social"], list[SourceParams]]

    def of(self, table: str) -> list[SourceParams]:
        """Return the sources of a table; none is a table that the shop does not have."""
        return next((s for name, s in self.sources.items() if name == table), [])

    @model_validator(mode="after")
    def has_events(self) -> "DataParams":
        """Require products and events, and only columns that the contracts know."""
        for table in ("products", "events"):
            if not self.sources.get(table):
                raise ValueError(f"data.sources.{table} is empty; a shop needs products and events")
        for table, sources in self.sources.items():
            unknown = {c for s in sources for c in s.columns} - set(TABLES[table])
            if unknown:
                raise ValueError(f"data.sources.{table} maps unknown columns {sorted(unknown)}; know {TABLES[table]}")
        return self


class ShopParams(Section):
    """The simulated shop."""

    n_users: Annotated[int, Field(ge=10)]
    n_items: Annotated[int, Field(ge=50)]
    start: str
    days: Annotated[int, Field(ge=14)]
    shift_day: Annotated[int, Field(ge=0)]
    shift_share: Share
    chinese_share: Share
    new_share: Share
    sessions_per_user: Positive
    impressions_per_session: Count
    bad_share: Share


class SplitParams(Section):
    """Windows and ground truth."""

    protocol: Literal["global_time", "leave_one_out"]
    validation_days: Positive
    test_days: Positive
    target_events: Annotated[list[EventName], Field(min_length=1)]
    weights: dict[EventName, Positive]
    max_history: Count

    @model_validator(mode="after")
    def targets_teach(self) -> "SplitParams":
        """Require a weight for each target event: what is asked for must also be learned from."""
        missing = set(self.target_events) - set(self.weights)
        if missing:
            raise ValueError(f"split.weights has no weight for target events {sorted(missing)}; events are {EVENTS}")
        return self


class ProfilesParams(Section):
    """What is known of users and items, and how fast it fades."""

    windows_days: Annotated[list[Count], Field(min_length=1)]
    horizon_days: Annotated[int, Field(ge=1, le=36_500)]
    half_life_days: Annotated[float, Field(ge=0.01)]
    top: Count
    prior: Positive
    weights: Annotated[dict[EventName, Annotated[float, Field(gt=0, le=1000)]], Field(min_length=1)]

    @model_validator(mode="after")
    def windows_fit(self) -> "ProfilesParams":
        """Require windows that rise, each once, and end within the horizon."""
        if self.windows_days != sorted(set(self.windows_days)) or self.windows_days[-1] > self.horizon_days:
            raise ValueError(
                f"profiles.windows_days {self.windows_days} must rise and stay within horizon_days {self.horizon_days}"
            )
        return self


class PretrainParams(Section):
    """Continued pretraining of the language model."""

    method: Literal["none", "full", "lora"]
    max_new_tokens: Annotated[int, Field(ge=0)]
    min_token_count: Count
    max_steps: Annotated[int, Field(ge=0)]
    max_minutes: Positive
    texts_per_step: Annotated[int, Field(ge=0)]
    pairs_per_step: Annotated[int, Field(ge=0)]
    temperature: Positive
    mask_share: Annotated[float, Field(gt=0, lt=1)]
    learning_rate: Annotated[float, Field(gt=0, le=1)]
    weight_decay: Annotated[float, Field(ge=0)]
    warmup_share: Share
    gradient_clip: Positive
    lora_rank: Count
    lora_alpha: Positive
    held_out_share: Annotated[float, Field(ge=0, lt=1)]
    held_out_texts: Count
    checkpoint_every_steps: Count

    @model_validator(mode="after")
    def learns_something(self) -> "PretrainParams":
        """Require texts or pairs in a step, and two pairs at least: one alone has no counter-example."""
        if self.pairs_per_step == 1 or not (self.texts_per_step or self.pairs_per_step):
            raise ValueError("a step needs texts_per_step > 0 or pairs_per_step > 1 (0 turns either off)")
        return self


class SentimentParams(Section):
    """The head that reads how a review sounds."""

    positive: Annotated[float, Field(ge=1, le=5)]
    negative: Annotated[float, Field(ge=1, le=5)]
    min_reviews: Annotated[int, Field(ge=10)]
    max_reviews: Annotated[int, Field(ge=10)]
    held_out_share: Annotated[float, Field(gt=0, le=0.4)]
    c: Positive

    @model_validator(mode="after")
    def sides_are_apart(self) -> "SentimentParams":
        """Require the negative ratings below the positive ones."""
        if self.negative >= self.positive:
            raise ValueError(f"language.sentiment.negative {self.negative} is not below positive {self.positive}")
        return self


class CompressParams(Section):
    """Smaller encoders that compete with the model."""

    variants: list[Literal["int8", "distilled", "distilled_int8"]]
    max_ms: Annotated[float, Field(ge=0)]
    max_loss: Share
    layers: Count
    steps: Count
    learning_rate: Annotated[float, Field(gt=0, le=1)]


class LanguageParams(Section):
    """The encoder of texts."""

    model: str
    max_tokens: Annotated[int, Field(ge=4, le=8192)]
    batch_size: Count
    threads: Annotated[int, Field(ge=0)]
    pretrain: PretrainParams
    compress: CompressParams
    sentiment: SentimentParams


class RecommendParams(Section):
    """How lists are made."""

    exclude_seen: bool
    batch_users: Count


class PopularityParams(Section):
    """Decayed popularity."""

    half_life_days: Positive


class NeighboursParams(Section):
    """Item neighbours under BM25 weights."""

    n_neighbours: Count
    k1: Positive
    b: Share
    recency: Share


class InterestsParams(Section):
    """Popularity within the categories of a user."""

    recency: Share
    prior: Positive
    smoothing: Positive
    half_life_days: Positive


class AlsParams(Section):
    """Alternating least squares."""

    factors: Count
    regularization: Positive
    alpha: Positive
    iterations: Count
    recency: Share


class EaseParams(Section):
    """EASE with recency."""

    l2: Positive
    recency: Share
    max_items: Count
    max_weights_per_item: Count


class ContentParams(Section):
    """Nearest texts."""

    recency: Share
    dims: Annotated[int, Field(ge=0)]


class SequenceParams(Section):
    """The causal transformer."""

    dim: Count
    blocks: Count
    heads: Count
    dropout: Share
    max_length: Annotated[int, Field(ge=2)]
    summarised_events: Annotated[int, Field(ge=0)]
    id_evidence: Positive
    temperature: Positive
    softmax_items: Count
    item_graph_neighbours: Annotated[int, Field(ge=0, le=1000)]
    profile: bool
    event_heads: bool

    @model_validator(mode="after")
    def heads_divide(self) -> "SequenceParams":
        """Require dim to be a multiple of heads."""
        if self.dim % self.heads:
            raise ValueError(f"models.sequence.dim {self.dim} is not a multiple of heads {self.heads}")
        return self


class HybridParams(Section):
    """The blend of the others."""

    parts: Annotated[list[PartName], Field(min_length=1)]
    candidates: Count
    max_users: Count
    min_slice_users: Count
    min_gain: Share
    cold_item_max_ndcg_loss: Share
    cold_item_neighbour_pool: Count


class ModelsParams(Section):
    """One section a model."""

    popularity: PopularityParams
    neighbours: NeighboursParams
    als: AlsParams
    ease: EaseParams
    content: ContentParams
    interests: InterestsParams
    sequence: SequenceParams
    hybrid: HybridParams


class TrainerParams(Section):
    """Lightning, and how long it may take."""

    accelerator: Literal["auto", "cpu", "gpu"]
    devices: Annotated[int, Field(ge=-1)]
    strategy: Literal["auto", "ddp", "fsdp"]
    precision: Literal["auto", "32-true", "bf16-mixed", "16-mixed"]
    max_epochs: Count
    patience: Count
    batch_size: Count
    learning_rate: Annotated[float, Field(gt=0, le=1)]
    weight_decay: Annotated[float, Field(ge=0)]
    warmup_share: Share
    gradient_clip: Positive
    max_minutes: Positive
    checkpoint_every_steps: Count


class RankingParams(Section):
    """The ranker: what it sees, and how it learns."""

    configuration: Literal["three_branches", "seed_faithful"]
    branches: Annotated[list[Literal["text", "user", "item"]], Field(min_length=1)]
    tasks: dict[Literal["click", "cart", "purchase"], Annotated[float, Field(gt=0, le=1000)]]
    dropout: Share
    focal_gamma: Annotated[float, Field(ge=0, le=10)]
    recency: Share
    attribution_hours: Positive
    negatives: Count
    max_examples: Annotated[int, Field(ge=100)]
    holdout_share: Annotated[float, Field(gt=0, lt=1)]
    max_epochs: Count
    patience: Count
    batch_size: Count
    learning_rate: Annotated[float, Field(gt=0, le=1)]
    seed_learning_rate: Annotated[float, Field(gt=0, le=1)]
    weight_decay: Annotated[float, Field(ge=0)]

    @model_validator(mode="after")
    def complete(self) -> "RankingParams":
        """Require a weight for each task, and no branch twice."""
        if len(self.tasks) != 3 or len(set(self.branches)) != len(self.branches):
            raise ValueError("ranking: expected a weight for each of click, cart and purchase, and no branch twice")
        return self


class SearchRange(Section):
    """The range in which a knob is searched: whole numbers where the knob is one; log: by its logarithm."""

    low: float
    high: float
    log: bool = False

    @model_validator(mode="after")
    def is_a_range(self) -> "SearchRange":
        """Require low < high, and low > 0 where the search is by logarithm."""
        if self.low >= self.high or (self.log and self.low <= 0):
            raise ValueError(f"low {self.low} must be below high {self.high}, and above 0 with log")
        return self


class TuneParams(Section):
    """The search over knobs, and the learning curve."""

    models: Annotated[list[PartName], Field(min_length=1)]
    trials: Count
    startup_trials: Count
    max_minutes: Positive
    max_epochs: Count
    min_epochs: Count
    label_shares: Annotated[list[Annotated[float, Field(gt=0, le=1)]], Field(min_length=1)]
    space: dict[str, SearchRange]

    def of(self, model: str) -> dict[str, SearchRange]:
        """Return the knobs of one model; the trainer's are the sequence model's."""
        own = (f"models.{model}.", "trainer." if model == "sequence" else f"models.{model}.")
        return {name: knob for name, knob in self.space.items() if name.startswith(own)}

    @model_validator(mode="after")
    def every_model_has_a_knob(self) -> "TuneParams":
        """Require each model once, with something to search."""
        bare = [name for name in self.models if not self.of(name)]
        if bare or len(set(self.models)) < len(self.models):
            raise ValueError(f"tune.models {self.models}: each once, and tune.space needs knobs for {bare or 'each'}")
        return self


class EvaluationParams(Section):
    """Metrics, and who takes part."""

    primary: Annotated[str, Field(pattern=r"^(ndcg|recall|mrr|hit_rate)_at_\d+$")]
    ks: Annotated[list[Count], Field(min_length=1)]
    candidates: Annotated[list[ModelName], Field(min_length=1)]
    baselines: Annotated[list[ModelName], Field(min_length=1)]
    min_slice_users: Count
    cold_user_events: Count

    @model_validator(mode="after")
    def primary_is_reported(self) -> "EvaluationParams":
        """Require the primary metric's k among ks, and baselines apart from candidates."""
        if int(self.primary.rsplit("_", 1)[1]) not in self.ks:
            raise ValueError(f"evaluation.primary {self.primary} needs its k among evaluation.ks {self.ks}")
        both = set(self.candidates) & set(self.baselines)
        if both:
            raise ValueError(f"evaluation: {sorted(both)} are both candidate and baseline; choose one")
        return self


class DriftParams(Section):
    """Limits of the drift verdict."""

    window_days: Positive
    sample: Annotated[int, Field(ge=100)]
    max_distance: Positive
    max_drifted_share: Share
    max_age_hours: Positive
    min_volume_ratio: Share


class GateParams(Section):
    """Rules of promotion."""

    mode: Literal["enabled", "dry_run", "disabled"]
    min_gain: Annotated[float, Field(ge=0)]
    confidence: Annotated[float, Field(gt=0.5, lt=1)]
    resamples: Annotated[int, Field(ge=100)]
    min_users: Count
    max_slice_loss: Share
    min_coverage_ratio: Share
    min_coverage: Share
    max_latency_ms: Positive


class ReleaseParams(Section):
    """Names in the registry."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*$")]
    experiment: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*$")]
    include_encoder: bool


class SearchParams(Section):
    """Search in the catalogue."""

    field_weights: dict[Literal["title", "brand", "category", "text"], Annotated[float, Field(ge=0)]]
    k1: Positive
    b: Share
    semantic_weight: Annotated[float, Field(ge=0)]
    popularity_weight: Annotated[float, Field(ge=0)]
    personal_weight: Annotated[float, Field(ge=0)]
    similar_candidates: Annotated[int, Field(ge=0)]
    prefix_weight: Share
    typo_weight: Share

    @model_validator(mode="after")
    def all_fields(self) -> "SearchParams":
        """Require a weight for each field."""
        missing = {"title", "brand", "category", "text"} - set(self.field_weights)
        if missing:
            raise ValueError(f"search.field_weights: expected title, brand, category and text, missing {missing}")
        return self


class AnnParams(Section):
    """The graph of products' vectors."""

    min_items: Count
    connectivity: Annotated[int, Field(ge=2, le=256)]
    expansion_add: Count
    expansion_search: Count


class ExperimentsParams(Section):
    """A/B tests on the live service."""

    alpha: Annotated[float, Field(gt=0, lt=1)]
    window_hours: Positive
    min_users: Annotated[int, Field(ge=2)]
    target_users: Annotated[int, Field(ge=2)]


class ExposureParams(Section):
    """How what was shown is written down."""

    rows_per_file: Count
    flush_s: Positive
    max_queue_rows: Count


class ChallengerParams(Section):
    """How much of the traffic the challenger sees, and when it is sent away."""

    shadow_share: Share
    canary_share: Share
    min_requests: Count
    max_extra_failure_share: Share
    max_latency_ratio: Annotated[float, Field(ge=1)]


class ServingParams(Section):
    """The HTTP service."""

    host: str
    port: Annotated[int, Field(ge=0, le=65535)]
    max_k: Count
    poll_s: Positive
    max_body_kib: Count
    timeout_s: Positive
    threads: Count
    store_connections: Count
    max_queue: Count
    workers: Count
    max_batch_size: Count
    list_cache_size: Annotated[int, Field(ge=0)]
    allowed_hosts: list[str]
    page: bool
    event_retention_days: Count
    exposures: ExposureParams
    challenger: ChallengerParams


class FlowsParams(Section):
    """Bounds on each stage's task."""

    stage_timeout_s: Positive
    retries: Annotated[int, Field(ge=0)]
    retry_delay_s: Annotated[float, Field(ge=0)]


class Params(Section):
    """The whole file."""

    seed: Annotated[int, Field(ge=0, le=2**32 - 1)]
    data: DataParams
    shop: ShopParams
    split: SplitParams
    profiles: ProfilesParams
    language: LanguageParams
    recommend: RecommendParams
    models: ModelsParams
    trainer: TrainerParams
    ranking: RankingParams
    tune: TuneParams
    evaluation: EvaluationParams
    drift: DriftParams
    gate: GateParams
    release: ReleaseParams
    search: SearchParams
    ann: AnnParams
    experiments: ExperimentsParams
    serving: ServingParams
    flows: FlowsParams

    @model_validator(mode="after")
    def space_is_within_bounds(self) -> "Params":
        """Require that tune.space names knobs of models and trainer, and that both ends of a range are allowed."""
        searched = {name for part in get_args(PartName) for name in self.tune.of(part)}
        for name, knob in self.tune.space.items():
            section, leaf = section_of(self, name)
            if name not in searched or leaf not in type(section).model_fields:
                raise ValueError(f"tune.space: {name} is no knob of trainer, or of a model's section but the hybrid's")
            for end in (knob.low, knob.high):
                try:
                    type(section).model_validate(section.model_dump() | {leaf: end})
                except ValidationError as error:
                    raise ValueError(f"tune.space: {name} cannot be {end:g}: {error.errors()[0]['msg']}") from None
        return self


def section_of(params: Params, name: str) -> tuple[BaseModel, str]:
    """Return the section that holds the knob "models.ease.l2", and the knob's name in it; params where none does."""
    *path, leaf = name.split(".")
    section: Any = params
    for part in path:
        section = getattr(section, part, None)
    return (section, leaf) if isinstance(section, BaseModel) else (params, name)


def load(path: Path, overlays: list[Path] | None = None, overrides: list[str] | None = None) -> Params:
    """Return the parameters in `path`, with overlay files and `a.b=c` overrides on top, in that order.

    Raises ParamsError naming the knob, what was expected and what came.
    """
    return check(merge(path, overlays or [], overrides or []), str(path))


def refuse_renamed(tree: dict[str, Any], where: str) -> None:
    """Raise ParamsError when the tree holds a knob under a name of before, and say what it is called now."""
    paths = dict.fromkeys([*_paths(tree), *((tree.get("tune") or {}).get("space") or {})])
    old = [path for path in RENAMED if path in paths and not any(other.startswith(f"{path}.") for other in paths)]
    if old:
        raise ParamsError(f"{where}: " + "; ".join(f"{path} is now called {RENAMED[path]}" for path in old))


def merge(path: Path, overlays: list[Path], overrides: list[str]) -> dict[str, Any]:
    """Return the merged tree, unchecked. An overlay replaces single values; lists and sources are replaced whole."""
    tree = _read(path)
    refuse_renamed(tree, str(path))
    for overlay in overlays:
        patch: Any = _read(overlay)
        refuse_renamed(patch, str(overlay))
        _lay_over(tree, patch, str(overlay))
    for line in overrides:
        name, equals, value = line.partition("=")
        if not equals:
            raise ParamsError(f"override {line!r}: expected `a.b=c`, such as trainer.max_epochs=5")
        patch = _yaml(value, f"override {line!r}")
        for part in reversed(name.strip().split(".")):
            patch = {part: patch}
        refuse_renamed(patch, f"override {line!r}")
        _lay_over(tree, patch, f"override {line!r}")
    return tree


def check(tree: dict[str, Any], where: str) -> Params:
    """Return the typed parameters; raises ParamsError with a line for each knob that is wrong."""
    try:
        return Params.model_validate(tree)
    except ValidationError as error:
        rows = [f"  {'.'.join(map(str, e['loc']))}: {e['msg']} (got {e['input']!r:.80})" for e in error.errors()]
        raise ParamsError(f"{where}: {len(rows)} wrong value(s)\n" + "\n".join(rows)) from None


def _read(path: Path) -> dict[str, Any]:
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ParamsError(f"{path}: cannot be read ({error.strerror}); run in the checkout, or name the file") from None
    tree = _yaml(text, str(path))
    if not isinstance(tree, dict):
        raise ParamsError(f"{path}: expected sections such as `data:`, got {type(tree).__name__}")
    return tree


def _yaml(text: str, where: str) -> Any:
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ParamsError(f"{where}: not YAML: {error}") from None


def _paths(tree: Any, at: str = "") -> list[str]:
    """Return the path of each section and knob: "serving", "serving.port"."""
    if not isinstance(tree, dict):
        return []
    return [path for key, value in tree.items() for path in (f"{at}{key}", *_paths(value, f"{at}{key}."))]


_WHOLE = {"sources", "weights", "space"}  # an overlay replaces these as one value


def _lay_over(tree: dict[str, Any], patch: dict[str, Any], where: str, at: str = "") -> None:
    for key, value in patch.items():
        if key not in tree:
            raise ParamsError(f"{where}: unknown knob {at}{key}; here are {sorted(tree)}")
        if isinstance(tree[key], dict) and key not in _WHOLE:
            if not isinstance(value, dict):
                raise ParamsError(f"{where}: {at}{key} is a section; expected knobs below it, got {value!r}")
            _lay_over(tree[key], value, where, f"{at}{key}.")
        else:
            tree[key] = value
