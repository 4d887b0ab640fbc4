"""The few exception types. Every message says what was expected, what was found, where, and what to do."""

from components.redact import redact


class CarouselError(Exception):
    """An error that the user can act on; the command line prints it and exits 1. Its message holds no secret."""

    def __init__(self, *args: object) -> None:
        """args: texts are redacted, so that the message may quote an address or another program."""
        super().__init__(*(redact(arg) if isinstance(arg, str) else arg for arg in args))


class ContractError(CarouselError):
    """Data, a file or an argument is not what its contract says."""


class ParamsError(CarouselError):
    """params.yaml, an overlay or a `--set` names an unknown parameter or a value out of bounds."""


class QualityError(CarouselError):
    """Too many bad rows, or row counts that do not add up: the run stops before anything is written."""


class BusyError(CarouselError):
    """Another run holds the lock; the message says which run and since when."""


class ReleaseError(CarouselError):
    """A registry, ledger or versioning step could not be done; nothing was promoted."""


class StageError(ReleaseError):
    """A stage reported its own error; running it again would give the same error."""


class StaleDecisionError(ReleaseError):
    """The champion is no longer the one that the decision was made against."""


class TamperedError(ReleaseError):
    """A file's digest is not the one that its manifest or registry entry records."""


def list_names(names: list[str], most: int) -> str:
    """Return the first names for a message, and how many more there are."""
    rest = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + rest
