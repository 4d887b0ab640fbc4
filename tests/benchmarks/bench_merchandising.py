"""What merchandising rules cost a list that is in the cache: CPU time of the service per request, without HTTP.

    python tests/benchmarks/bench_merchandising.py FOLDER [--requests 20000] [--repeats 7]

FOLDER: a bundle, such as bundle/ of a checkout. Prints the median over the repeats of the mean time of a request
without rules, with a pin, and with 200 rules, and their ratios to the first. Run it on another revision to compare.
"""

import argparse
import asyncio
import statistics
import tempfile
import time
from hashlib import sha256
from pathlib import Path

from components.params import load
from components.release.bundle import open_bundle
from components.serving.http.app import make_service
from components.serving.inference.service import RecommendationService
from components.serving.metrics import ServiceMetrics
from components.serving.models.watcher import ModelWatcher, ServedModel
from components.serving.schemas import RecommendRequest

CHECKOUT = Path(__file__).resolve().parents[2]
BODY = RecommendRequest(user_id="u", k=10)


async def _time(service: RecommendationService, n_requests: int) -> float:
    """Return microseconds of CPU time per request: other processes do not count."""
    await service.recommend(BODY)
    started = time.process_time()
    for _ in range(n_requests):
        await service.recommend(BODY)
    return (time.process_time() - started) / n_requests * 1e6


def _add_rules(service: RecommendationService, n: int, item_ids: list[str]) -> None:
    from components.serving.storage.merchandising import MerchandisingRule

    for number in range(n):
        kind = ("pin", "bury", "boost")[number % 3] if n > 1 else "pin"
        more = {"pin": {"position": 1 + number % 20}, "bury": {}, "boost": {"factor": 2.0}}[kind]
        item_id = item_ids[1 + number % (len(item_ids) - 1)]
        content = {"rule_id": f"{kind}-{number}", "kind": kind, "item_id": item_id, "by": "b", "created_at": number}
        service.merchandising.add(MerchandisingRule.model_validate(content | more))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--requests", type=int, default=20_000)
    parser.add_argument("--repeats", type=int, default=7)
    chosen = parser.parse_args()
    bundle = open_bundle(chosen.folder, sha256((chosen.folder / "manifest.json").read_bytes()).hexdigest())
    with tempfile.TemporaryDirectory() as folder:
        params = load(CHECKOUT / "params.yaml")
        watcher = ModelWatcher(None, Path(folder) / "serving", 1, ServiceMetrics())  # type: ignore[arg-type]
        service = make_service(watcher, params)
        watcher.current = ServedModel(1, bundle)
        service.scorer.start()

        def measure() -> float:
            return statistics.median(asyncio.run(_time(service, chosen.requests)) for _ in range(chosen.repeats))

        without = measure()
        print(f"without rules: {without:.2f} us")
        if hasattr(service, "merchandising"):  # not in versions before 0.5
            for n in (1, 200):
                _add_rules(service, n, bundle.item_ids)
                now = measure()
                print(f"with {n} rules: {now:.2f} us, {now / without:.2f} times")
        service.scorer.stop()
        service.store.close()


if __name__ == "__main__":
    main()
