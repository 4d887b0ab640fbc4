"""What makes a decision file the gate's own: the registry's record of it, its signature, and its checks.

`record_decision` writes a decision and its digest into the registry; `check_decision` refuses a file that differs from
that record, is not signed with a known key, or contradicts itself or the evaluation that the registry holds.
"""

import hmac
import json
from pathlib import Path
from tempfile import TemporaryDirectory

from components import io
from components.contracts import Decision, Evaluation
from components.errors import ContractError, ReleaseError, TamperedError
from components.faults import crash_point
from components.release.checks import contradictions
from components.release.dvc_lock import LOCK, read_inputs
from components.release.registry import Registry, Version
from components.settings import Settings

DIGEST_TAG = "decision_digest"
MIN_KEY_LENGTH = 16  # characters
EVALUATION = "reports/evaluate/evaluation.json"


def record_decision(decision: Decision, file: Path, registry: Registry, settings: Settings) -> Decision:
    """Write the decision to the file and to the challenger's version in the registry; return it as written.

    It is signed with the first key of CAROUSEL_SIGNING_KEY, if that is set. The newest decision of a version counts.
    """
    keys = signing_keys(settings)
    if keys:
        decision = decision.model_copy(update={"signature": signature(decision, keys[0])})
    io.write_record(file, decision)
    crash_point("decide:written")
    registry.attach(decision.challenger_version, file)
    crash_point("decide:attached")
    registry.tag(decision.challenger_version, DIGEST_TAG, io.sha256_file(file))
    crash_point("decide:recorded")
    return decision


def check_decision(
    decision: Decision, digest: str, challenger: Version, registry: Registry, settings: Settings
) -> None:
    """Raise TamperedError unless the file with this sha256 is the decision that was recorded about the challenger."""
    if challenger.decision_digest != digest:
        known = f"the registry holds {challenger.decision_digest[:12]}" if challenger.decision_digest else "it has none"
        raise TamperedError(
            f"the decision file has sha256 {digest[:12]}, but {known} for version {challenger.number}: it was edited, "
            "is not the newest, or was made by an earlier release; run `carousel decide` again"
        )
    _check_signature(decision, settings)
    evaluation = _registered_evaluation(challenger, registry)
    if (evaluation.champion, evaluation.challenger) != (decision.champion, challenger.lineage.model):
        raise TamperedError("the decision is not about the models of its evaluation; run `carousel decide` again")
    if decision.bootstrap and decision.champion is not None:
        raise TamperedError("the decision says bootstrap, but names a champion; run `carousel decide` again")
    wrong = contradictions(decision, evaluation)
    if wrong:
        raise TamperedError(f"these are not the gate's checks: {'; '.join(wrong)}; run `carousel decide` again")


def check_evaluation(root: Path, bundle_digest: str, registry: Registry) -> None:
    """Raise TamperedError where the registry holds another evaluation of this bundle, made from the same inputs.

    The registry's copy of dvc.lock says from which: so dvc.lock cannot be edited together with the evaluation.
    """
    number = next((n for n, digest in registry.digests().items() if digest == bundle_digest), None)
    if number is None or registry.version(number).evaluation_digest == io.sha256_file(root / EVALUATION):
        return
    with TemporaryDirectory() as folder:
        registered = registry.download_artifact(number, f"run/{LOCK}", Path(folder)).parent
        before, now = read_inputs(registered, "evaluate"), read_inputs(root, "evaluate")
    if before is not None and before == now:
        raise TamperedError(
            f"{EVALUATION}: version {number} in the registry has another one from the same inputs, by {LOCK}: it was "
            "edited. Remove reports/evaluate and run `carousel retrain`"
        )


def signature(decision: Decision, key: str) -> str:
    """Return the HMAC-SHA256 of the decision's canonical JSON without its signature, in hexadecimal digits."""
    content = decision.model_dump(mode="json", exclude={"signature"}, exclude_defaults=True)
    text = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return hmac.new(key.encode(), text.encode(), "sha256").hexdigest()


def signing_keys(settings: Settings) -> list[str]:
    """Return the keys of CAROUSEL_SIGNING_KEY, the one that signs first; raises ReleaseError for a short one."""
    keys = settings.signing_key.get_secret_value().replace(",", " ").split() if settings.signing_key else []
    if any(len(key) < MIN_KEY_LENGTH for key in keys):
        raise ReleaseError(
            f"CAROUSEL_SIGNING_KEY: expected keys of {MIN_KEY_LENGTH} characters or more, separated by commas; make "
            "one with `openssl rand -hex 32`"
        )
    return keys


def _check_signature(decision: Decision, settings: Settings) -> None:
    keys = signing_keys(settings)
    if not keys:
        return
    if decision.signature is None:
        raise TamperedError("the decision is not signed, and CAROUSEL_SIGNING_KEY is set; run `carousel decide` again")
    if not any(hmac.compare_digest(decision.signature, signature(decision, key)) for key in keys):
        raise TamperedError(
            "the decision's signature is by no key of CAROUSEL_SIGNING_KEY: the file was edited, or signed with "
            "another key; run `carousel decide` again"
        )


def _registered_evaluation(challenger: Version, registry: Registry) -> Evaluation:
    """Return the evaluation in the challenger's record; raises TamperedError when its bytes were changed."""
    with TemporaryDirectory() as folder:
        file = registry.download_artifact(challenger.number, EVALUATION, Path(folder))
        content = file.read_bytes()
    if io.sha256_bytes(content) != challenger.evaluation_digest:
        raise TamperedError(
            f"version {challenger.number}: {EVALUATION} in the registry is not the one that was registered; "
            "run `carousel decide` again"
        )
    try:
        return io.parse_record(content, Evaluation, "evaluation", f"version {challenger.number}: {EVALUATION}")
    except ContractError as error:
        raise ReleaseError(str(error)) from None
