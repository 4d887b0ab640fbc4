"""Sections data, shop, split and profiles: sources, simulated shop, windows, and profiles of users and items."""

from datetime import UTC, date, datetime, timedelta
from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, BeforeValidator, Field, model_validator

from components.contracts import EVENTS, TABLES
from components.params.base import Count, EventName, Positive, Section, Share, Size
from components.redact import holds_literal_secret


def parse_time(value: Any) -> Any:
    """Return a date or time of YAML, or its text, as a time with a zone; without one it is UTC, a date is midnight.

    Other text is returned as it is. Raises ValueError for a number: seconds, or a date without separators?
    """
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value.strip())
        except ValueError:
            return value
    if isinstance(value, date) and not isinstance(value, datetime):
        value = datetime(value.year, value.month, value.day)
    if not isinstance(value, datetime):
        raise ValueError("expected a time such as 2026-06-01 or 2026-06-01T12:00:00Z")
    return value.replace(tzinfo=UTC) if value.tzinfo is None else value


Time = Annotated[AwareDatetime, BeforeValidator(parse_time)]
Day = Annotated[date, BeforeValidator(lambda value: value.date() if isinstance(value, datetime) else value)]


class SourceParams(Section):
    """One source of one table: files, or a query on an attached SQL database."""

    path: str | None = Field(default=None, description="file, folder or glob, relative to the checkout")
    attach: str | None = Field(
        default=None, description="database file or connection string; ${VARIABLES} come from the environment"
    )
    type: Literal["sqlite", "postgres", "mysql", "duckdb"] | None = Field(
        default=None, description="kind of the attached database"
    )
    query: str | None = Field(default=None, description="SELECT on the attached database, which it names $db")
    columns: dict[str, str] = Field(default={}, description="our column -> SQL expression over the source's columns")
    where: str | None = Field(default=None, description="SQL condition; other rows are counted as filtered")
    each: str | None = Field(
        default=None, description="SQL list; a record gives a row for each element, which the expressions name `each`"
    )
    optional: list[str] = Field(
        default=[], description="columns of CSV and Parquet files that may be absent, and are null then"
    )
    delimiter: Annotated[str, Field(min_length=1, max_length=1)] | None = Field(
        default=None, description="separator of the values in CSV files; by default found in each file"
    )

    @model_validator(mode="after")
    def one_kind(self) -> "SourceParams":
        """Accept a path, or attach with type and query; never both."""
        if (self.path is None) == (self.attach is None):
            raise ValueError("a source has either `path`, or `attach` with `type` and `query`")
        if self.attach is not None and (self.type is None or self.query is None):
            raise ValueError("`attach` needs `type` and `query` beside it")
        if holds_literal_secret(self.attach or ""):
            raise ValueError("`attach` holds a password: set a variable of the environment to it, and write ${NAME}")
        return self


class LookupParams(Section):
    """A function of expressions that finds values in other files: its argument is compared with the key."""

    path: str = Field(description="file, folder or glob, relative to the checkout")
    key: str = Field(description="SQL expression over the file's columns, compared as text")
    value: str = Field(description="SQL expression; null where the rows of a key have several values")
    optional: list[str] = Field(default=[], description="columns that may be absent, and are null then")


class GivenVectorsParams(Section):
    """Vectors of products that the shop has computed: Parquet files with an id and a list of numbers in each row."""

    path: str = Field(description="file, folder or glob, relative to the checkout")
    id: str = Field(default="item_id", description="column with the product's id")
    column: str = Field(default="vector", description="column with the list of numbers; all rows have equally many")


class SparkParams(Section):
    """Where Spark runs `ingest`, with data.engine: spark."""

    master: str = Field(
        default="local[*]",
        description="address of the cluster, such as spark://host:7077 or yarn; local[N]: N tasks at once, here",
    )
    memory_gib: Positive = Field(default=2, description="memory of DuckDB in each task; above it, it uses the disk")
    executor_cores: Count = Field(default=2, description="tasks that an executor runs at once")
    rows_per_task: Count = Field(
        default=4_000_000, description="rows of a Parquet file that one task reads; a text file is always one task"
    )
    properties: dict[str, str] = Field(
        default={}, description="further properties of Spark by name, such as {spark.cores.max: '16'}; no secrets"
    )


class DataParams(Section):
    """Sources of the five tables, and how many invalid rows stop a run."""

    as_of: Time  # null in a file: see loading.check
    simulated: bool
    max_bad_share: Share
    max_unknown_share: Share
    anonymous_events: bool
    null_ids: list[str] = Field(
        default=[],
        description='ids that stand for no value in this shop, such as ["0", guest], beside NULL, nan and the like',
    )
    max_contradiction_share: Share = Field(
        default=0.5,
        description="share of the products, and of their rows, that may have several titles, descriptions, brands or "
        "categories at one time; more stops the run",
    )
    max_share_of_one: Share = Field(
        default=0.2, description="share of the events from which ingest reports a single user or product"
    )
    max_text_chars: Count = Field(default=10_000, description="characters at which a text is truncated")
    engine: Literal["duckdb", "spark"] = Field(
        default="duckdb",
        description="what reads and sorts events: DuckDB in one process, or in tasks of Spark; the files are the same",
    )
    spark: SparkParams = SparkParams()
    memory_gib: Positive
    threads: Size = Field(default=0, description="threads of DuckDB; 0: all cores")
    lookups: dict[Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*_of$")], LookupParams] = Field(
        default={}, description="functions of the sources' expressions that find values in other files, named x_of"
    )
    pictures: str | None = Field(
        default=None,
        description="folder of the pictures that products name in `image`, or its address in an object store such as "
        "s3://bucket/folder; null: pictures are not read",
    )
    max_bad_pictures: Share = Field(
        default=0.2, description="share of the named pictures that may be missing or broken; more stops the run"
    )
    vectors: dict[Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,30}$")], GivenVectorsParams] = Field(
        default={}, description="vectors of products that models read beside the text's, by a name such as audio"
    )
    sources: dict[Literal["products", "events", "reviews", "searches", "social"], list[SourceParams]]

    def of(self, table: str) -> list[SourceParams]:
        """Return the sources of a table; empty for a table that the shop does not have."""
        return next((s for name, s in self.sources.items() if name == table), [])

    @model_validator(mode="after")
    def has_events(self) -> "DataParams":
        """Require products and events, and only columns that the contracts define."""
        if "picture" in self.vectors:
            raise ValueError("data.vectors.picture: the name is that of data.pictures; choose another")
        for table in ("products", "events"):
            if not self.sources.get(table):
                raise ValueError(f"data.sources.{table} is empty; a shop needs products and events")
        for table, sources in self.sources.items():
            unknown = {c for s in sources for c in s.columns} - set(TABLES[table])
            if unknown:
                raise ValueError(f"data.sources.{table} maps unknown columns {sorted(unknown)}; know {TABLES[table]}")
        return self


class ShopParams(Section):
    """The simulated shop, whose true preferences are known."""

    n_users: Annotated[int, Field(ge=10)]
    n_items: Annotated[int, Field(ge=50)]
    start: Day
    days: Annotated[int, Field(ge=14)]
    shift_day: Size = Field(
        default=90, description="day on which preferences change: what drift monitoring must detect"
    )
    shift_share: Share = Field(default=0.3, description="share of users whose preferences change on that day")
    chinese_share: Share = Field(default=0.5, description="share of products and of users that use Chinese")
    new_share: Share = Field(
        default=0.15, description="share of users who first appear in the last quarter; the same share of products"
    )
    sessions_per_user: Positive = Field(
        default=30,
        description="visits per user at the seasonal peak rate; season and late arrivals leave about 60 % of them",
    )
    impressions_per_session: Count = Field(default=12, description="products shown per visit, with position bias")
    bad_share: Share = Field(default=0.001, description="share of rows written invalid on purpose")
    pictures: bool = Field(
        default=False,
        description="draw pictures of the products, with a pattern that no text names and that users care about",
    )
    missing_pictures: Share = Field(default=0.0, description="share of the products without a picture, where drawn")

    @property
    def end(self) -> datetime:
        """Return midnight UTC after the last day: the moment as of which the simulated shop is seen."""
        return datetime(self.start.year, self.start.month, self.start.day, tzinfo=UTC) + timedelta(days=self.days)


class SplitParams(Section):
    """Train, validation and test windows, and the ground truth."""

    protocol: Literal["global_time", "leave_one_out"]
    validation_days: Positive
    test_days: Positive
    target_events: Annotated[list[EventName], Field(min_length=1)]
    weights: dict[EventName, Positive]
    max_history: Count
    exposure: Share = Field(
        default=0.0,
        description="weight of an impression in the sales by which `interests` ranks a category, times 1 - propensity; "
        "0: impressions are not read. Read docs/benchmarks.md, Impressions, first",
    )
    shuffle_ties: int | None = Field(
        default=None,
        description="seed of an order among events of one user and time, whose own order may say more about the file "
        "than about the user; null: the file's order",
    )

    @model_validator(mode="after")
    def targets_have_weights(self) -> "SplitParams":
        """Require a training weight for each target event."""
        missing = set(self.target_events) - set(self.weights)
        if missing:
            raise ValueError(f"split.weights has no weight for target events {sorted(missing)}; events are {EVENTS}")
        return self


class ProfilesParams(Section):
    """Profiles of users and items, and how fast old events lose weight."""

    windows_days: Annotated[list[Count], Field(min_length=1)]
    horizon_days: Annotated[int, Field(ge=1, le=36_500)] = Field(
        default=730, description="days after which value, price level, sentiment and interests ignore an event"
    )
    half_life_days: Annotated[float, Field(ge=0.01)]
    top: Count = Field(default=5, description="entries per list of a profile, such as top categories")
    prior: Positive = Field(
        default=20,
        description="pseudo-count of visitors (purchases) at the shop's rate that smooths conversion (return share)",
    )
    weights: Annotated[dict[EventName, Annotated[float, Field(gt=0, le=1000)]], Field(min_length=1)]

    @model_validator(mode="after")
    def windows_fit(self) -> "ProfilesParams":
        """Require distinct windows in ascending order, within the horizon."""
        if self.windows_days != sorted(set(self.windows_days)) or self.windows_days[-1] > self.horizon_days:
            raise ValueError(
                f"profiles.windows_days {self.windows_days} must rise and stay within horizon_days {self.horizon_days}"
            )
        return self
