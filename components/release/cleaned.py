"""What one part of `carousel gc` has removed."""

from components.contracts import Record


class Cleaned(Record):
    """A row of the table that `carousel gc` prints."""

    what: str  # such as "model versions"
    count: int  # of removed versions, objects or files
    size: int  # bytes
    note: str = ""  # which ones, or why none
