"""Shadow traffic: the challenger's lists are compared with the sent lists, and never sent."""

from components.params import Params
from components.serving.models.watcher import ModelWatcher
from tests.components.serving.support import (
    FakeRegistry,
    Remake,
    challenger_params,
    put_challenger,
    serving_client,
    view_and_recommend,
)


def test_a_shadow_is_compared_and_never_sent(
    watcher: ModelWatcher, registry: FakeRegistry, remake: Remake, params: Params
) -> None:
    put_challenger(registry, remake("challenger"))
    with serving_client(watcher, params, **challenger_params(params, shadow_share=1.0)) as client:
        service = client.service  # type: ignore[attr-defined]
        service.router.watcher.poll()
        answers = [view_and_recommend(client, f"u{n}") for n in range(5)]
        assert {(a["version"], a["arm"]) for a in answers} == {(1, None)}
        service.scorer.stop()
        value = service.metrics.registry.get_sample_value
        assert value("carousel_shadow_overlap_count") == 5
        assert value("carousel_shadow_overlap_sum") == 5  # the same model, the same lists
        service.scorer.start()


def test_without_a_share_nothing_is_compared(
    watcher: ModelWatcher, registry: FakeRegistry, remake: Remake, params: Params
) -> None:
    put_challenger(registry, remake("challenger"))
    with serving_client(watcher, params, **challenger_params(params, shadow_share=0.0)) as client:
        service = client.service  # type: ignore[attr-defined]
        service.router.watcher.poll()
        view_and_recommend(client, "ann")
        assert service.metrics.registry.get_sample_value("carousel_shadow_overlap_count") == 0
