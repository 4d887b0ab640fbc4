"""Why a request cannot be answered; components.serving.http.problems says which status each one has."""

from components.errors import CarouselError


class OverloadError(CarouselError):
    """As many requests wait as may; this one is not queued."""

    def __init__(self) -> None:
        super().__init__("too many requests at once; try again in a second")


class NoModelError(CarouselError):
    """No model was ever promoted, or it is still being loaded."""

    def __init__(self) -> None:
        super().__init__("no champion serves yet; `carousel retrain --bootstrap` makes one")


class UnknownItemError(CarouselError):
    """The model does not know the product of the request."""

    def __init__(self) -> None:
        super().__init__("the champion does not know this product")


class MissingPartError(CarouselError):
    """The bundle was packaged without the part that the request needs, such as a ranker."""
