"""The few exception types. Every message says: expected, came, where, what to do."""


class CarouselError(Exception):
    """A fault that a person can act on; the command line prints it and exits 1."""


class ContractError(CarouselError):
    """Data, a file or an argument is not what its contract says."""


class ParamsError(CarouselError):
    """params.yaml, an overlay or a `--set` names an unknown knob or a value out of bounds."""


class QualityError(CarouselError):
    """Too many bad rows, or rows that do not add up: the run stops before anything is written."""


class BusyError(CarouselError):
    """Another run holds the lock; says who and since when."""


class ReleaseError(CarouselError):
    """A registry, ledger or versioning step could not be done; nothing was promoted."""


class StageError(ReleaseError):
    """A stage said itself what is wrong; it would say the same again."""


class StaleDecisionError(ReleaseError):
    """The champion is no longer the one that the decision was taken against."""


class TamperedError(ReleaseError):
    """A file's digest is not the one that its manifest or registry entry records."""
