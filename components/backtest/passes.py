"""One pass of the loop as of a date: a retrain that compares recipes, a refresh of the champion's, or neither judged.

The judgement is that of the real gates, on evidence that the real evaluation makes. What belongs to a machine and not
to the data is left out: latency counts as the highest that is allowed, and no version was ever rolled back.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from components.backtest.cache import cpu_clock
from components.backtest.engine import Engine, FittedModel, View, reads_texts
from components.backtest.sensors import check_view, watch
from components.contracts import ChampionRef, Check, Completion, Decision, Evaluation, Record
from components.data.split import holdout_of
from components.data.tables import read_info
from components.errors import CarouselError
from components.evaluation import evaluator
from components.evaluation.out_of_fold import read_out_of_fold
from components.io import sha256_bytes
from components.language.encoder import encoder_digest, resolve_model
from components.params import Params, SelectionParams
from components.recommenders.factory import MODELS, SIMPLE, baseline_names, compared_names, usable
from components.recommenders.hybrid import read_blend
from components.release import gate
from components.release.completion import completed_models, judge_completion
from components.release.contest import Contenders, Measurements
from components.release.promotion import SHIPS
from components.release.recipe import Recipe
from components.release.refresh_gate import decide_refresh
from components.release.refresh_history import RefreshHistory, history_after
from components.times import to_datetime

FIRST_VERSION = 1
JUDGED_BY = {"evaluation", "gate", "refresh", "drift", "data_checks", "recommend", "seed"}  # sections of params


class Deployed(Record):
    """A model that serves or is judged, with its recipe."""

    model: FittedModel  # as it is judged
    recipe: Recipe
    version: int  # number of models that served before it, from 1
    history: RefreshHistory = RefreshHistory()  # what the gate of a refresh knows of it as champion
    completed: FittedModel | None = None  # what serves where it has learned the holdout, too

    @property
    def serves(self) -> FittedModel:
        """Return the model that answers."""
        return self.completed or self.model


class ReplayedPass(Record):
    """What one pass did: its verdict with the reasons, and the model that it made."""

    as_of: str
    purpose: str  # "retrain", "refresh", or "refit", which is not judged
    verdict: str  # promote, refresh, keep, not_enough_evidence; ship where nothing is judged; error
    reasons: list[str]
    made: Deployed | None  # None: an error
    gain: tuple[float, float, float] | None = None  # over the champion: estimate, low, high
    checks: tuple[Check, ...] = ()  # of the verdict; empty where nothing is judged
    completion: Completion | None = None  # of a refresh whose model has learned the holdout after its verdict
    cpu_s: float = 0.0  # of its fits and its evaluation, as if no other policy shared them

    @property
    def ships(self) -> bool:
        """Return whether its model serves from now on."""
        return self.verdict in (*SHIPS.values(), "ship")


class JudgedCompletion(Record):
    """Whether a completed model may ship, and what that took."""

    completion: Completion
    cpu_s: float


@dataclass(frozen=True)
class Contest:
    """The models of one pass on one split."""

    view: View
    split: Path
    params: Params
    models: Mapping[str, FittedModel]  # candidates and baselines
    champion: Deployed | None
    champion_model: FittedModel | None  # in a retrain it may be its recipe, fitted on the same window


def refit(engine: Engine, champion: Deployed, view: View) -> ReplayedPass:
    """Fit the champion's recipe on everything before the view, without a holdout and without a judgement."""
    params = champion.recipe.apply(engine.params, to_datetime(champion.model.fit_end))
    split = engine.split(view, engine.params)
    model = engine.fit(view, split, champion.recipe.selection.recommender, params, everything=MODELS)
    made = Deployed(model=model, recipe=champion.recipe, version=champion.version + 1)
    as_of = view.as_of.isoformat()
    return ReplayedPass(as_of=as_of, purpose="refit", verdict="ship", reasons=[], made=made, cpu_s=model.cpu_s)


def retrain(engine: Engine, champion: Deployed | None, view: View, as_served: bool) -> ReplayedPass:
    """Compare the candidates on params.split's windows; None: a first champion, which is promoted as with --bootstrap.

    as_served: the champion takes part as it serves, else as its recipe, fitted on the same training window.
    """
    params = engine.params
    split = engine.split(view, params)
    names = compared_names(params)
    models = {name: engine.fit(view, split, name, params) for name in names}
    own = None
    if champion is not None and as_served:
        own = champion.serves
    elif champion is not None:
        recipe = champion.recipe.apply(params, to_datetime(champion.model.fit_end))
        own = engine.fit(view, split, champion.recipe.selection.recommender, recipe)
    contest = Contest(view, split, params, models, champion, own)
    fitted = [*models.values(), *([own] if own and not as_served else [])]
    return _judge(engine, contest, "retrain", sum(m.cpu_s for m in fitted if not is_part(m, models, params)))


def refresh(engine: Engine, champion: Deployed, view: View) -> ReplayedPass:
    """Fit the champion's recipe on everything before a short holdout, and compare it with the champion as judged.

    What ships then learns the holdout, too, as the stage `complete` does it.
    """
    params = champion.recipe.apply(engine.params, to_datetime(champion.model.fit_end))
    split = engine.split(view, params, holdout_of(params))
    names = compared_names(params)
    models = {name: engine.fit(view, split, name, params) for name in names}
    contest = Contest(view, split, params, models, champion, champion.model)
    done = _judge(engine, contest, "refresh", sum(m.cpu_s for m in models.values()))
    return _complete(engine, contest, done) if done.ships and params.refresh.learn_holdout else done


def _complete(engine: Engine, contest: Contest, done: ReplayedPass) -> ReplayedPass:
    """Return the pass with the model that learned the holdout, too, where that may ship."""
    made, params = done.made, contest.params
    assert made is not None
    names = completed_models(made.recipe.selection)
    if not names:
        return done
    completed = engine.fit(contest.view, contest.split, made.model.name, params, everything=(*SIMPLE, "hybrid"))

    def judge() -> JudgedCompletion:
        with cpu_clock() as clock:
            found = judge_completion(contest.split, engine.load(made.model), engine.load(completed), names, params)
        return JudgedCompletion(completion=found, cpu_s=clock.seconds)

    inputs = {
        "judged": made.model.key,
        "completed": completed.key,
        "params": params.model_dump(mode="json", include=JUDGED_BY),
    }
    judged = engine.cache.record("passes", inputs, JudgedCompletion, judge)
    cpu_s = round(done.cpu_s + completed.cpu_s + judged.cpu_s, 3)
    shipped = made.model_copy(update={"completed": completed}) if judged.completion.ships else made
    return done.model_copy(update={"made": shipped, "completion": judged.completion, "cpu_s": cpu_s})


def attempt(view: View, purpose: str, make: Callable[[], ReplayedPass]) -> ReplayedPass:
    """Return the pass, or where its run would end with an error, one that ships nothing and says why."""
    try:
        return make()
    except CarouselError as error:
        as_of = view.as_of.isoformat()
        return ReplayedPass(as_of=as_of, purpose=purpose, verdict="error", reasons=[str(error)], made=None)


def is_part(model: FittedModel, models: Mapping[str, FittedModel], params: Params) -> bool:
    """Return whether the model's time is in that of the hybrid already."""
    return "hybrid" in models and model.name in params.models.hybrid.parts and model.name != "hybrid"


def _judge(engine: Engine, contest: Contest, purpose: str, fit_cpu_s: float) -> ReplayedPass:
    champion = contest.champion
    inputs = contest.view.inputs() | {
        "purpose": purpose,
        "models": {name: model.key for name, model in contest.models.items()},
        "champion": champion.model_dump(mode="json") if champion else None,
        "champion_model": contest.champion_model.key if contest.champion_model else None,
        "params": contest.params.model_dump(mode="json", include=JUDGED_BY),
    }

    def make() -> ReplayedPass:
        with cpu_clock() as clock, TemporaryDirectory(prefix="backtest-") as folder:
            evaluation, decision = _decide(engine, contest, purpose, Path(folder))
        recipe = champion.recipe if champion and purpose == "refresh" else _recipe(engine, contest, evaluation)
        ships = decision.verdict == "refresh"
        made = Deployed(
            model=contest.models[evaluation.challenger],
            recipe=recipe,
            version=champion.version + 1 if champion else FIRST_VERSION,
            history=history_after(decision, evaluation, contest.params.gate.confidence) if ships else RefreshHistory(),
        )
        gain = decision.gain
        return ReplayedPass(
            as_of=contest.view.as_of.isoformat(),
            purpose=purpose,
            verdict=decision.verdict,
            reasons=decision.reasons,
            made=made,
            gain=(gain.gain, gain.low, gain.high) if gain else None,
            checks=tuple(decision.checks),
            cpu_s=round(fit_cpu_s + clock.seconds, 3),
        )

    return engine.cache.record("passes", inputs, ReplayedPass, make)


def _decide(engine: Engine, contest: Contest, purpose: str, folder: Path) -> tuple[Evaluation, Decision]:
    params, champion = contest.params, contest.champion
    windows = evaluator.read_windows(contest.split, params)
    serving = None
    if champion is not None and contest.champion_model is not None:
        model = engine.adapt(contest.champion_model, windows.catalogue.item_id)
        saw = contest.champion_model.fit_end > windows.info.starts("test")
        serving = evaluator.ServingChampion(_ref(champion), model, saw)
    loaders = {name: partial(engine.load, model) for name, model in contest.models.items()}
    per_user = folder / "per_user.parquet"
    folds = {}
    if windows.validation is not None and "hybrid" in params.evaluation.candidates:
        lists = engine.folder_of(contest.models["hybrid"])
        folds = {"hybrid": read_out_of_fold(lists, len(windows.validation), max(params.evaluation.ks))}
    measured = evaluator.measure(windows, loaders, serving, params, per_user, folds)
    roles = evaluator.Roles(order=usable(MODELS, params), simple=SIMPLE, baselines=baseline_names(params))
    evaluation = evaluator.summarise(windows, measured, serving, params, roles)
    found = Measurements(
        evaluation=evaluation,
        evaluation_digest=sha256_bytes(evaluation.model_dump_json().encode()),
        per_user=per_user,
        drift=watch(engine, contest.view, champion.model if champion else None),
        latency_ms=params.gate.max_latency_ms,
        data_checks=check_view(engine, contest.view, champion.model if champion else None),
    )
    made = contest.models[evaluation.challenger]
    number = champion.version + 1 if champion else FIRST_VERSION
    contenders = Contenders(
        challenger=ChampionRef(version=number, digest=made.key, model=made.name),
        champion=_ref(champion) if champion else None,
        same_recipe=champion is not None
        and contest.champion_model != champion.model  # as it serves, it is not fitted on the same data
        and champion.recipe.gives_same_model(_recipe(engine, contest, evaluation)),
    )
    at = contest.view.as_of
    if champion is not None and purpose == "refresh":
        return evaluation, decide_refresh(found, contenders, params, champion.history, at)
    return evaluation, gate.decide(found, contenders, params, bootstrap=champion is None, decided_at=at)


def _ref(deployed: Deployed) -> ChampionRef:
    return ChampionRef(version=deployed.version, digest=deployed.model.key, model=deployed.model.name)


def _recipe(engine: Engine, contest: Contest, evaluation: Evaluation) -> Recipe:
    """Return the recipe of the challenger of a retrain."""
    chosen = contest.models[evaluation.challenger]
    blend = read_blend(engine.folder_of(chosen) / "model") if chosen.name == "hybrid" else None
    parts = blend.parts if blend else [chosen.name]
    language = contest.params.language
    return Recipe.of(
        contest.params,
        SelectionParams(
            recommender=chosen.name,
            best_simple=evaluation.best_simple or "popularity",
            language=encoder_digest(resolve_model(language.model), language.max_tokens)
            if any(map(reads_texts, parts))
            else "",
            sequence_epochs=contest.models["sequence"].epochs if "sequence" in parts else None,
            ranker_epochs=None,
            blend=blend,
            selected_until=to_datetime(read_info(contest.split).validation_end),
        ),
        engine.cache.base["fits"],
    )
