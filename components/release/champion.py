"""champion/ in the checkout: the bundle that serves, for `evaluate` and `drift` to compare with; or null."""

import json
import shutil
from hashlib import sha256
from pathlib import Path

from components.contracts import ChampionRef
from components.release.registry import Registry

COMPARING = ("evaluate", "drift", "package")  # stages that depend on who the champion is, and what follows them


def sync_champion(root: Path, registry: Registry) -> ChampionRef | None:
    """Make champion/ hold the registry's champion, verified, or null where there is none; return it.

    Raises ReleaseError when the registry cannot be reached, TamperedError when its files are not the registered ones.
    """
    version = registry.alias("champion")
    ref = registry.ref(version.number) if version else None
    if held(root) == ref and (ref is None or digest_of(root / "champion/bundle") == ref.digest):
        return ref
    partial = root / ".champion.partial"
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    if ref is not None:
        registry.fetch(ref.version, partial / "bundle")
    (partial / "champion.json").write_text("null\n" if ref is None else ref.model_dump_json(indent=1) + "\n")
    shutil.rmtree(root / "champion", ignore_errors=True)
    partial.replace(root / "champion")
    return ref


def serving_here(root: Path, registry: Registry) -> ChampionRef | None:
    """Return the champion where it is the bundle that this checkout made; None where another one, or none, serves."""
    serving = registry.alias("champion")
    if serving is None or digest_of(root / "bundle") != serving.lineage.bundle_digest:
        return None
    return registry.ref(serving.number)


def held(root: Path) -> ChampionRef | None:
    """Return the champion that champion/ holds; None where it holds none."""
    file = root / "champion/champion.json"
    content = json.loads(file.read_text(encoding="utf-8")) if file.exists() else None
    return ChampionRef.model_validate(content) if content else None


def digest_of(bundle: Path) -> str | None:
    """Return the digest of a bundle folder, that of its manifest; None where there is none. Nothing is verified."""
    manifest = bundle / "manifest.json"
    return sha256(manifest.read_bytes()).hexdigest() if manifest.exists() else None
