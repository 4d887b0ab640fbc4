"""The texts that MLflow's pages show about a version and the registered model, in Markdown."""

from components.contracts import Decision, Evaluation, Interval, Lineage

STATUS = "validation_status"  # tag of a version
PENDING = "pending"  # value of STATUS until a gate has decided
STATUSES = {"promote": "approved", "refresh": "approved", "keep": "rejected"}  # by verdict; any other: inconclusive
REPORTS = {  # text of a link -> file in the record of a version
    "model card": "card/README.md",
    "evaluation": "reports/evaluate/report.html",
    "drift": "reports/drift/drift.html",
    "decision": "reports/decision.json",
}
REGISTERED_MODEL = """\
The recommender of a shop, as Carousel registers it: one version for each \
model that a gate has judged. `champion` serves, `challenger` was judged last, `previous` served before.

    model = mlflow.pyfunc.load_model("models:/{name}@champion")
    model.predict(pandas.DataFrame({{"history": [["ITEM-1", "ITEM-2"]]}}), params={{"k": 10}})

Only `carousel promote` and `carousel rollback` move the aliases: the ledger must agree with them.
"""


def status_of(decision: Decision) -> str:
    """Return the value of the tag `validation_status`."""
    return STATUSES.get(decision.verdict, "inconclusive")


def describe_pending(lineage: Lineage) -> str:
    """Return the description of a version that no gate has judged yet."""
    return f"**Not judged yet.** {lineage.model}, on data up to {lineage.as_of}."


def describe_version(decision: Decision, evaluation: Evaluation, run_page: str) -> str:
    """Return the verdict, why, the test window, the numbers, and links to the reports.

    run_page: of the version's run in MLflow, "#/experiments/1/runs/abc", so that links work on any address.
    """
    why = "".join(f"- {reason}\n" for reason in decision.reasons)
    ours = evaluation.test.get(evaluation.challenger, {}).get(decision.primary)
    start, end = (text[:10] for text in evaluation.window)
    against = f"version {decision.champion.version}" if decision.champion else "no champion"
    numbers = "" if ours is None else f" {decision.primary} {ours:.4f}."
    over = against if decision.champion else "the best simple model"
    gain = f" Gain over {over} {_interval(decision.gain)}." if decision.gain else ""
    links = ", ".join(f"[{text}]({run_page}/artifacts/{file})" for text, file in REPORTS.items())
    mode = "" if decision.mode == "enabled" else f" (gate.mode {decision.mode})"
    return (
        f"**{decision.verdict.replace('_', ' ')}**{mode}: {decision.purpose}, compared with {against}.\n\n{why}\n"
        f"{evaluation.challenger} on data up to {decision.as_of[:10]}; test window {start} to {end}, "
        f"{evaluation.n_users} users.{numbers}{gain}\n\n{links}\n"
    )


def _interval(interval: Interval) -> str:
    return f"{interval.gain:+.4f} ({interval.low:+.4f} to {interval.high:+.4f})"
