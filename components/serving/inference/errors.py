"""Errors of requests; components.serving.http.problems maps each of them to an HTTP status."""

from components.errors import CarouselError


class OverloadError(CarouselError):
    """The queue is full; this request is refused."""

    def __init__(self) -> None:
        super().__init__("too many requests at once; try again in a second")


class NoModelError(CarouselError):
    """No model was ever promoted, or it is still loading."""

    def __init__(self) -> None:
        super().__init__("no champion serves yet; `carousel retrain --bootstrap` makes one")


class PictureError(CarouselError):
    """The picture of a search cannot be read."""

    def __init__(self, rule: str) -> None:
        super().__init__(f"image: expected a picture in base64, got one that is {rule}")


class UnknownItemError(CarouselError):
    """The model does not know the product of the request."""

    def __init__(self) -> None:
        super().__init__("the champion does not know this product")


class MissingPartError(CarouselError):
    """The bundle was packaged without the part that the request needs, such as a ranker."""
