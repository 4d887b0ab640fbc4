"""Client of the HTTP service of Carousel; needs only httpx and pydantic.

from carousel_client import CarouselClient, EventIn, EventsRequest, RecommendRequest

with CarouselClient("http://127.0.0.1:8000") as client:
    client.events(EventsRequest(events=[EventIn(user_id="u-1", item_id="P00001", event="view")]))
    for item in client.recommend(RecommendRequest(user_id="u-1", k=5)).items:
        print(item.item_id, item.title)
"""

from carousel_client.client import CarouselClient, ServiceError, UnavailableError
from carousel_client.models import *  # noqa: F403
from carousel_client.models import __all__ as _models

__all__ = ["CarouselClient", "ServiceError", "UnavailableError", *_models]
