"""champion/ in the checkout: the champion's bundle and champion.json, which `evaluate` and `drift` compare with."""

import shutil
from pathlib import Path

from components import io
from components.contracts import ChampionRef
from components.errors import ContractError
from components.release.manifest import is_intact
from components.release.registry import Registry

CHAMPION_STAGES = (
    "incumbent",
    "evaluate",
    "drift",
    "package",
)  # stages that depend on the champion, and the stages after them


def sync_champion(root: Path, registry: Registry) -> ChampionRef | None:
    """Fetch the registry's champion into champion/, verified (champion.json is null where there is none); return it.

    A copy that is damaged is fetched again.

    Raises ReleaseError when the registry cannot be reached, TamperedError when its files are not the registered ones.
    """
    ref = registry.serving()
    if _is_checked_out(root, ref) and (ref is None or is_intact(root / "champion/bundle", ref.digest)):
        return ref
    with io.temporary_folder(root / "champion") as temporary:
        built = temporary / "champion"
        if ref is not None:
            registry.fetch(ref.version, built / "bundle")
        io.write_record(built / "champion.json", ref)
        shutil.rmtree(root / "champion", ignore_errors=True)
        built.replace(root / "champion")
    return ref


def find_own_champion(root: Path, registry: Registry) -> ChampionRef | None:
    """Return the champion if its bundle is the one in this checkout; None if another bundle, or none, serves."""
    serving = registry.serving()
    return serving if serving and bundle_digest(root / "bundle") == serving.digest else None


def checked_out_champion(root: Path) -> ChampionRef | None:
    """Return the champion in champion/; None where there is none. Raises ContractError for a damaged file."""
    file = root / "champion/champion.json"
    if file.exists() and file.read_bytes().strip() == b"null":
        return None
    return io.find_record(file, ChampionRef, "champion")


def _is_checked_out(root: Path, ref: ChampionRef | None) -> bool:
    """Return whether champion.json names this champion; a damaged one names none, not even that nothing serves."""
    try:
        return checked_out_champion(root) == ref and (root / "champion/champion.json").exists()
    except ContractError:
        return False


def bundle_digest(bundle: Path) -> str | None:
    """Return the digest of a bundle (that of its manifest); None where there is none. Files are not verified."""
    manifest = bundle / "manifest.json"
    return io.sha256_file(manifest) if manifest.exists() else None
