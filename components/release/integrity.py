"""Bytes of stage outputs, compared with dvc.lock. DVC trusts a file's size and time and does not read it again."""

import configparser
import json
from pathlib import Path

import yaml

from components.errors import TamperedError, list_names
from components.release.digests import dvc_digest, file_md5
from components.release.dvc_lock import LOCK, read_digest, read_outputs

SHOWN = 5  # damaged files named in a message


def check_inputs(root: Path, stage: str) -> None:
    """Raise TamperedError naming the files if the stage would read other bytes than an earlier stage has written."""
    found = damaged_inputs(root, stage)
    if found:
        names = ", ".join(found)
        raise TamperedError(
            f"{_list(found)}: the bytes are not those that {LOCK} records: damaged, or edited by hand. Remove {names} "
            "and run `carousel retrain`, which restores it from the DVC cache or runs its stage again"
        )


def damaged_inputs(root: Path, stage: str) -> dict[str, list[str]]:
    """Return output -> damaged files, of the outputs of earlier stages that the stage reads, by reading every byte.

    Outputs outside of DVC's cache (the champion, run/params.yaml) have checks of their own. Without dvc.lock there is
    nothing to compare with.
    """
    if not ((root / LOCK).exists() and (root / "dvc.yaml").exists()):
        return {}
    stages = yaml.load((root / "dvc.yaml").read_text(encoding="utf-8"), Loader=yaml.CSafeLoader)["stages"]
    reads = [str(path) for path in stages.get(stage, {}).get("deps", [])]
    cached = {out for entry in stages.values() for out in entry.get("outs", []) if isinstance(out, str)}
    locked = {out: digest for out, digest in read_outputs(root).items() if out in cached}
    used = {out for out in locked if any(path == out or path.startswith(f"{out}/") for path in reads)}
    found = {out: damaged_files(root, out, locked[out]) for out in sorted(used) if (root / out).exists()}
    return {out: files for out, files in found.items() if files}


def check_outputs(root: Path, *targets: str) -> None:
    """Raise TamperedError naming the files if the outputs are not those of dvc.lock: damaged, or edited."""
    found = {target: damaged_files(root, target, read_digest(root, target)) for target in targets}
    found = {target: files for target, files in found.items() if files}
    if found:
        raise TamperedError(
            f"{_list(found)}: the bytes are not those that {LOCK} records: damaged, or edited by hand; nothing is "
            f"decided on them. Remove {', '.join(found)} and run `carousel retrain`"
        )


def damaged_files(root: Path, target: str, digest: str) -> list[str]:
    """Return the files of an output that differ from its digest, [] for none.

    Where DVC's listing of a folder is lost, the folder stands for its files.
    """
    path = root / target
    if path.exists() and dvc_digest(path) == digest:
        return []
    listing = _object(root, digest)
    if not digest.endswith(".dir") or not listing.exists() or file_md5(listing) != digest.removesuffix(".dir"):
        return [target]
    expected = {entry["relpath"]: entry["md5"] for entry in json.loads(listing.read_bytes())}
    present = {p.relative_to(path).as_posix(): p for p in path.rglob("*") if p.is_file()}
    wrong = [name for name in expected if name not in present or file_md5(present[name]) != expected[name]]
    return [f"{target}/{name}" for name in sorted({*wrong, *(set(present) - set(expected))})] or [target]


def _object(root: Path, digest: str) -> Path:
    """Return the path of an object in DVC's cache."""
    config = configparser.ConfigParser(interpolation=None)
    config.read([root / ".dvc/config", root / ".dvc/config.local"], encoding="utf-8")
    folder = root / ".dvc" / config.get("cache", "dir", fallback="cache")
    return folder / "files/md5" / digest[:2] / digest[2:]


def _list(found: dict[str, list[str]]) -> str:
    return list_names([name for files in found.values() for name in files], SHOWN)
