"""A Git tag for each registered version, for `dvc metrics diff`, `dvc params diff`, `dvc plots diff`, `dvc get --rev`.

The tag's commit is the revision of the version and, on top of it, what its run wrote: dvc.lock, run/params.yaml and
the summary. It is on no branch: neither the branch nor the files of the checkout change.
"""

import shutil
from pathlib import Path
from tempfile import TemporaryDirectory

from components.errors import ReleaseError
from components.release.git import git
from components.release.registry import Registry, Version

SUMMARY = "reports/summary"
RECORDED = {"dvc.lock": "run/dvc.lock", "run/params.yaml": "run/params.yaml"}  # file -> its name in the record
AUTHOR = {"NAME": "Carousel", "EMAIL": "carousel@localhost"}


def tag_version(root: Path, registry: Registry, number: int) -> str:
    """Return the name of the version's tag, made where there is none; the same version gives the same commit anywhere.

    Raises ReleaseError for an unknown version, a revision that this clone lacks, or a tag of another bundle.
    """
    version = registry.version(number)
    name = f"{registry.name}/v{number}"
    digest = version.lineage.bundle_digest
    known = git(root, "for-each-ref", "--format=%(contents)", f"refs/tags/{name}")
    if known:
        if digest not in known:
            raise ReleaseError(
                f"tag {name} is of another bundle than version {number}, {digest[:12]}: it was made with another "
                f"registry; remove it by `git tag --delete {name}`"
            )
        return name
    with TemporaryDirectory(prefix="carousel-tag-") as folder:
        commit = _commit(root, version, _download(registry, version, Path(folder)), f"{name}\n\nbundle {digest}")
    git(root, "update-ref", f"refs/tags/{name}", commit, "")
    return name


def _download(registry: Registry, version: Version, folder: Path) -> Path:
    """Return folder/files with the recorded files, as a checkout has them."""
    files = folder / "files"
    summary = registry.list_artifacts(version.number, SUMMARY)  # none before 0.5
    for file, stored in (RECORDED | dict(zip(summary, summary, strict=True))).items():
        (files / file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(registry.download_artifact(version.number, stored, folder / "record"), files / file)
    return files


def _commit(root: Path, version: Version, files: Path, message: str) -> str:
    """Return the id of a new commit: the version's revision with these files."""
    revision = version.lineage.git_revision
    index = {"GIT_INDEX_FILE": str(files.parent / "index")}
    try:
        git(root, "read-tree", revision, env=index)
    except ReleaseError as error:
        raise ReleaseError(
            f"version {version.number} was made at revision {revision[:12]}, which this clone lacks: `git fetch` it "
            f"({error})"
        ) from None
    for file in sorted(path for path in files.rglob("*") if path.is_file()):
        blob = git(root, "hash-object", "-w", str(file))
        entry = f"100644,{blob},{file.relative_to(files).as_posix()}"
        git(root, "update-index", "--add", "--cacheinfo", entry, env=index)
    tree = git(root, "write-tree", env=index)
    who = {f"GIT_{role}_{key}": value for role in ("AUTHOR", "COMMITTER") for key, value in AUTHOR.items()}
    when = {f"GIT_{role}_DATE": version.created_at for role in ("AUTHOR", "COMMITTER")}
    return git(root, "commit-tree", "-p", revision, "-m", message, tree, env=who | when)
