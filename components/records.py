"""Small frozen records that cross a stage boundary as JSON: evaluations, decisions, lineages."""

from typing import Literal

from pydantic import BaseModel, ConfigDict

Verdict = Literal["promote", "refresh", "keep", "not_enough_evidence"]  # refresh: what the gate of a refresh ships
Question = Literal["global_time", "next_event"]  # histories frozen at the cut; lists made anew before each target event
PRIMARY_SLICE: dict[Question, str] = {"global_time": "all", "next_event": "next_event"}  # where its values per user are
Purpose = Literal["retrain", "refresh"]  # is another recipe better; is the same recipe on newer data fit to serve


class Record(BaseModel):
    """A small frozen record that crosses a stage boundary as JSON; no field beyond those named."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=True, ser_json_inf_nan="constants")


class ChampionRef(Record):
    """The model that serves: its registry version, bundle digest, and what it was compared on."""

    version: int
    digest: str  # sha256 of the bundle's manifest.json
    model: str  # recommender name inside the bundle


class SliceRow(Record):
    """One metric of one model on one slice of the test users or of the target items."""

    slice: str  # "user:cold", "item:warm", "language:zh", "next_event" ...: see evaluation/slices.py and results.py
    model: str
    n_users: int
    metrics: dict[str, float]


class Candidate(Record):
    """A candidate on the validation window, beside the best one on the same users."""

    model: str
    value: float  # mean of the primary metric; of a blend, out of fold
    behind: float  # mean per-user difference, the best minus this one
    standard_error: float  # of that difference


class Choice(Record):
    """Why the challenger is the challenger."""

    challenger: str  # the simplest candidate within one standard error of the best
    best: str
    why: str  # one sentence with the numbers
    candidates: list[Candidate]  # from the simplest on


class UserRetention(Record):
    """The share of users who came back within some days, see components/evaluation/retention.py."""

    days: int
    n_users: int
    share: float


class PushedProduct(Record):
    """A product more of whose buyers bought nothing else, or were new, than chance explains; its share of the lists."""

    item_id: str
    before: float  # in the champion's lists
    after: float  # in the challenger's
    n_users: int  # who bought it in the training window; who took it, in a shop without purchases
    n_alone: int  # of them, those who bought nothing else
    n_new: int = 0  # of them, those who had bought their first product a few days before


class Evaluation(Record):
    """reports/evaluate/evaluation.json: everything that the gate and the reader need, without user ids."""

    as_of: str  # ISO date-time, end of the test window
    protocol: str  # "global_time" or "leave_one_out"
    window: tuple[str, str]  # test window, ISO
    simulated: bool
    n_users: int
    n_items: int
    primary: str  # metric that decides, e.g. "ndcg_at_10"
    challenger: str  # the candidate that was chosen on validation
    baselines: list[str]  # the simple models that a challenger must not be worse than; never itself
    champion: ChampionRef | None
    champion_saw_test: bool  # it was trained, or its recipe selected, on part of this test window: nothing is promoted
    validation: dict[str, dict[str, float]]  # model -> metric -> value
    test: dict[str, dict[str, float]]  # same; the serving champion is under the name "champion"
    slices: list[SliceRow]
    overfit_gap: dict[str, float]  # model -> validation minus test of the primary metric
    unfinished: tuple[str, ...] = ()  # trainings that a limit in minutes stopped; then nothing is promoted
    simpler: list[str] | None = None  # baselines simpler than the challenger, which it must beat; None: all of them
    best_simple: str | None = None  # the best simple model on validation, without the challenger
    choice: Choice | None = None  # None where the challenger was not chosen among candidates
    in_fold: dict[str, float] = {}  # blend -> primary metric on the validation users that its weights were learned on
    purpose: Purpose = "retrain"
    retention: UserRetention | None = None  # of the shop in the test window; None: not measured
    pushed: PushedProduct | None = None  # the suspect product that rose most; None: none, or no champion
    question: Question = "global_time"  # of n_users and all values per user; those of the other question are a slice

    @property
    def primary_slice(self) -> str:
        """Return the slice of per_user.parquet that holds the values that decide."""
        return PRIMARY_SLICE[self.question]


class DriftVerdict(Record):
    """reports/drift/drift.json: our own verdict; Evidently only shows it."""

    drifted: bool
    computable: bool  # False when a column or window was missing: never read as "no drift"
    reasons: list[str]
    columns: dict[str, float]  # column -> distance, unit of its test
    thresholds: dict[str, float]
    n_reference: int
    n_current: int
    reference: str  # where it came from: "champion 3", or "own training window"


class Lineage(Record):
    """Where a version comes from: enough to rebuild it. Each field becomes a tag of the registered version."""

    git_revision: str
    git_dirty: bool  # True: the checkout had changes that the revision does not hold
    data_version: str  # DVC's digest of data/snapshot
    params_digest: str  # sha256 of run/params.yaml
    bundle_digest: str  # sha256 of the bundle's manifest.json
    as_of: str
    model: str  # recommender name inside the bundle


class Interval(Record):
    """A paired bootstrap interval of the mean per-user difference, challenger minus the other."""

    gain: float
    low: float
    high: float
    n_users: int


class Check(Record):
    """One rule of the gate: a gain that must be shown, or a guardrail that must hold."""

    name: str  # "gain over champion", "gain over popularity", "slice user:cold", "coverage", "latency" ...
    passed: bool
    value: float | None  # None: not computable, which never passes
    limit: float | None
    why: str  # one sentence with the numbers
    high: float | None = None  # of a slice: the upper bound of its gain


class Completion(Record):
    """What a refresh learned after its verdict: the holdout, by the models that are fitted in one step."""

    judged_until: str  # ISO: the model that was judged learned from events before
    learned_until: str  # ISO: the completed one did
    models: list[str]  # that were fitted again; the others, and all weights of a blend, are those that were judged
    checks: list[Check]  # the completed model beside the judged one, for the users of the holdout

    @property
    def ships(self) -> bool:
        """Return whether the completed model ships; else what was judged does."""
        return all(check.passed for check in self.checks)

    @property
    def shipped_until(self) -> str:
        """Return the end (ISO) of the events that what ships learned from."""
        return self.learned_until if self.ships else self.judged_until

    def describe(self) -> str:
        """Return what ships as a sentence."""
        if self.ships:
            return (
                f"judged: what was learned before {self.judged_until[:16]}; then {', '.join(self.models)} learned the "
                f"holdout too, up to {self.learned_until[:16]}, and this ships"
            )
        failed = "; ".join(f"{check.name}: {check.why}" for check in self.checks if not check.passed)
        return f"what was judged ships, without the events since {self.judged_until[:16]}: {failed}"


class Decision(Record):
    """reports/decision.json: the only thing that `promote` accepts."""

    verdict: Verdict
    mode: Literal["enabled", "dry_run", "disabled"]
    bootstrap: bool  # True: first promotion, requested explicitly; there was no champion to compare with
    reasons: list[str]
    checks: list[Check]
    gain: Interval | None  # over the champion; over the best simple baseline where there is no champion
    users_needed: int | None  # further test users needed for a decision, as estimated from the measured gain
    challenger_version: int
    challenger_digest: str
    champion: ChampionRef | None  # the one compared with; `promote` refuses if another one serves by then
    primary: str
    as_of: str
    evaluation_digest: str  # sha256 of evaluation.json
    decided_at: str  # ISO, UTC
    users_needed_interval: tuple[int, int | None] | None = None  # of users_needed; None above: no upper bound
    notes: list[str] = []  # what was not judged, and why: slices with too few users
    purpose: Purpose = "retrain"
    completion: Completion | None = None  # of a refresh that also learned its holdout
    question: Question = "global_time"  # about time, that decided: see Evaluation
    signature: str | None = None  # HMAC-SHA256 of the other fields, where CAROUSEL_SIGNING_KEY is set
