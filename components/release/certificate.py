"""The certificate of a deletion: what was removed, what was searched, and what still waits; it holds no id."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from components import io
from components.contracts import Record
from components.release.traces import MAX_SEARCHED, MIN_LENGTH, SearchResult
from components.release.unlearning import Waiting

FOLDER = "certificates"  # in the folder of a shop

FOUND = (
    "**Not complete**: the search found an id or its digest in the files above. Look at each: a file of yours that "
    "still names the user is to be deleted, and `carousel forget` called again; an id that is also a word or a number "
    "of other things, as in titles of products, is found there whoever the user is."
)


class Certificate(Record):
    """`carousel forget --json`."""

    at: datetime
    n_users: int  # named by this call
    tombstones: tuple[str, ...]  # keyed digests of their ids
    service_events: int  # deleted from the event store
    rows: dict[str, int]  # removed from snapshots of workspaces, by table
    snapshots: dict[str, str]  # DVC digest of a snapshot that was written again -> its digest now
    n_objects: int  # removed from DVC's cache and remote
    n_outputs: int  # outputs of stages that were removed from workspaces: the next run makes them again
    files: dict[str, int]  # audiences, exports and published tables -> rows removed
    searched: tuple[SearchResult, ...]
    version: int | None  # that serves now, with the closed-form parts of the champion fitted without the users
    waiting: Waiting | None  # what the model that serves still has to unlearn
    notes: tuple[str, ...]  # what was not reached, and what to do

    @property
    def is_empty(self) -> bool:
        """Return whether no search found an id or a digest."""
        return not any(result.found for result in self.searched)

    def describe(self) -> str:
        """Return the certificate as Markdown."""
        rows = ", ".join(f"{n} of {table}" for table, n in self.rows.items()) or "none"
        lines = [
            f"# Deletion of {self.n_users} user{'' if self.n_users == 1 else 's'}, {self.at:%Y-%m-%d %H:%M} UTC",
            "",
            f"- events removed from the service: {self.service_events}",
            f"- rows removed from the snapshot: {rows}",
            f"- snapshots written again: {len(self.snapshots)}; objects of DVC removed: {self.n_objects}; outputs of "
            f"stages removed: {self.n_outputs}",
            f"- rows removed from audiences, exports and published tables: {sum(self.files.values())}",
            f"- closed-form models without the users: {f'version {self.version} serves' if self.version else 'none'}",
            f"- models: {self.waiting.describe() if self.waiting else 'nothing waits to be unlearned'}",
            "",
            "| searched for the ids and their digests (SHA-256, SHA-1, MD5, CRC-32) | files | bytes | found in |",
            "|---|---|---|---|",
            *(f"| {r.name} | {r.n_files} | {r.n_bytes} | {', '.join(r.found) or 'nothing'} |" for r in self.searched),
            "",
            f"Text columns of Parquet files were decoded. Bytes were searched for {MAX_SEARCHED} ids at most, and for "
            f"nothing but their digests where an id is shorter than {MIN_LENGTH} characters. Not searched: files as "
            "git has them, and vocabularies of language models, whose words and numbers name nobody.",
            *([] if self.is_empty else ["", FOUND]),
            *(f"- {note}" for note in self.notes),
        ]
        return "\n".join(lines) + "\n"

    def write(self, shop: Path) -> Path:
        """Write JSON and Markdown into the folder of the shop; return the Markdown file."""
        file = shop / FOLDER / f"{self.at:%Y%m%dT%H%M%S%f}.json"
        file.parent.mkdir(parents=True, exist_ok=True)
        io.write_record(file, self)
        io.write_text(file.with_suffix(".md"), self.describe())
        return file.with_suffix(".md")
