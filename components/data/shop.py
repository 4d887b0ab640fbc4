"""The simulated shop: products, events, reviews and searches drawn from a known truth, as files that a shop exports.

Each visit is about one kind of product. A page of products is shown (impressions, with their propensities); some are
clicked, viewed, put into the cart and bought, and a few are returned.
"""

from __future__ import annotations

import gzip
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from components.data import shop_ads, shop_pictures, shop_texts, shop_world
from components.data.shop_world import N_BATCHES, N_LEAVES, World
from components.params import ShopParams
from components.times import DAY_S

VIEW, CART, PURCHASE, RETURN, REVIEW, SEARCH = 0.9, 0.35, 0.55, 0.06, 0.4, 0.3  # probability of each further step
Columns = dict[str, NDArray[Any]]


def write_shop(shop: ShopParams, seed: int, folder: Path) -> None:
    """Write products, events, reviews, searches and ads below `folder`; the same arguments give the same bytes.

    folder/truth is for tests and benchmarks: it holds what is unknown in a real shop.
    """
    world = shop_world.make_world(shop, seed)
    rng = np.random.default_rng([seed, 2])
    pages = draw_pages(world, shop, rng, draw_visits(world, shop, rng))
    events = draw_events(world, shop, rng, pages)
    folder.mkdir(parents=True, exist_ok=True)
    has_picture = shop_pictures.write_pictures(world, shop, seed, folder / "pictures")
    _write_products(world, shop, folder / "products.jsonl.gz", has_picture)
    _write_events(_add_faults(events, shop.bad_share, rng), shop, folder / "events")
    _write_reviews(world, shop, rng, events, folder / "reviews.jsonl.gz")
    _write_searches(world, shop, rng, pages, folder / "searches.csv.gz")
    shop_ads.write_ads(world, shop, seed, folder)
    shop_world.save_truth(world, folder / "truth")


def read_truth(folder: Path) -> World:
    """Return the truth that `write_shop` left below folder."""
    return shop_world.read_truth(folder)


def draw_visits(world: World, shop: ShopParams, rng: np.random.Generator) -> Columns:
    """Return the visits of all users, by user and time: user, second since the start, kind, phase of tastes."""
    share = (shop.days - world.first_day) / shop.days
    counts = rng.poisson(shop.sessions_per_user * share * rng.gamma(2.0, 0.5, len(share)))
    counts = np.maximum(counts, 1)
    user = np.repeat(np.arange(len(counts)), counts)
    day = world.first_day[user] + rng.random(len(user)) * (shop.days - world.first_day[user])
    busy = 1 + 0.35 * np.sin(2 * np.pi * (day / 120 + 0.25))  # seasonality: most visits at the end of the year
    keep = rng.random(len(user)) < busy / 1.35
    keep[np.r_[0, np.cumsum(counts)[:-1]]] = True
    user, day = user[keep], day[keep]
    hour = np.clip(rng.normal(19, 3.5, len(user)) % 24, 0, 23.99)
    second = np.minimum(np.floor(day) * DAY_S + np.floor(hour * 3600), shop.days * DAY_S - 600).astype(np.int64)
    order = np.lexsort((second, user))
    user, second = user[order], second[order]
    phase = ((second >= shop.shift_day * DAY_S) & (world.shifts[user] > 0)).astype(int)
    about = _draw(rng, world.taste_leaf[phase, user])
    follows = (rng.random(len(user)) < shop_world.COMPLEMENT) & (user == np.roll(user, 1))
    about = np.where(follows, world.complement[np.roll(about, 1)], about)
    return {"user": user.astype(np.int32), "second": second, "about": about.astype(np.int32), "phase": phase}


def draw_pages(world: World, shop: ShopParams, rng: np.random.Generator, visits: Columns) -> Columns:
    """Return all impressions: visit, user, second, item, position, propensity, click_chance, kind of the visit."""
    n = shop.impressions_per_session
    visit = np.repeat(np.arange(len(visits["user"])), n)
    user, phase = visits["user"][visit], visits["phase"][visit]
    position = np.tile(np.arange(n, dtype=np.int32), len(visits["user"]))
    source = rng.random(len(visit))
    taste = _draw(rng, world.taste_leaf[visits["phase"], visits["user"]], n).ravel()
    crowd = rng.choice(N_LEAVES, len(visit), p=world.crowd.astype(np.float64) / world.crowd.sum(dtype=np.float64))
    leaf = np.where(source < shop_world.FOCUS, visits["about"][visit], taste)
    leaf = np.where(source >= shop_world.FOCUS + shop_world.TASTE, crowd, leaf)
    other = rng.random(len(visit)) < shop_world.OTHER_LANGUAGE
    language = world.user_language[user] ^ other
    regime = _listed_batches(visits["second"][visit] / DAY_S, shop.days)
    item, within = _draw_items(world, rng, leaf, language, regime)
    page = shop_world.FOCUS * (leaf == visits["about"][visit]) + shop_world.CROWD * world.crowd[leaf]
    page = page + shop_world.TASTE * world.taste_leaf[phase, user, leaf]
    language_share = np.where(other, shop_world.OTHER_LANGUAGE, 1 - shop_world.OTHER_LANGUAGE)
    after = visits["second"][visit] >= shop.shift_day * DAY_S
    return {
        "visit": visit,
        "user": user,
        "second": visits["second"][visit],
        "item": item,
        "position": position,
        "propensity": np.clip(page * within * language_share, 1e-9, 1.0),
        "click_chance": world.click_chance(user, item, position, after),
        "about": visits["about"][visit],
    }


def _listed_batches(day: NDArray[Any], days: int) -> NDArray[np.int64]:
    """Return the number of batches of new products that are listed on a day, 0..N_BATCHES."""
    step = 0.25 * days / (N_BATCHES + 1)
    return np.clip(np.floor((day - 0.75 * days) / step), 0, N_BATCHES).astype(np.int64)


def _draw_items(
    world: World, rng: np.random.Generator, leaf: NDArray[Any], language: NDArray[Any], regime: NDArray[np.int64]
) -> tuple[NDArray[np.int32], NDArray[np.float64]]:
    """Return an item of each given kind and language among those listed, and its probability."""
    group = world.leaf * 2 + world.item_language
    order = np.argsort(group, kind="stable")
    edges = np.searchsorted(group[order], np.arange(2 * N_LEAVES + 1))
    wanted, dice = leaf * 2 + language, rng.random(len(leaf))
    item, chance = np.zeros(len(leaf), np.int32), np.zeros(len(leaf))
    for listed in np.unique(regime):
        weight = np.where(world.batch[order] <= listed, world.appeal[order], 0).astype(np.float64)
        total = np.concatenate([[0.0], np.cumsum(weight)])
        rows = np.flatnonzero(regime == listed)
        low, high = total[edges[wanted[rows]]], total[edges[wanted[rows] + 1]]
        empty = high <= low  # a tiny shop may have no such product: then any listed one
        low, high = np.where(empty, 0, low), np.where(empty, total[-1], high)
        at = np.searchsorted(total, low + dice[rows] * (high - low), side="right") - 1
        at = np.minimum(at, len(order) - 1)
        item[rows], chance[rows] = order[at], weight[at] / (high - low)
    return item, chance


def draw_events(world: World, shop: ShopParams, rng: np.random.Generator, pages: Columns) -> Columns:
    """Return all events in time order: impressions and the events that follow from them."""
    n = len(pages["item"])
    clicked = np.flatnonzero(rng.random(n) < pages["click_chance"])
    viewed = clicked[rng.random(len(clicked)) < VIEW]
    interest = np.clip(pages["click_chance"][viewed] * 2.5, 0, 1)
    carted = viewed[rng.random(len(viewed)) < CART * (0.5 + interest)]
    bought = carted[rng.random(len(carted)) < PURCHASE]
    returned = bought[rng.random(len(bought)) < RETURN]
    steps = [("impression", np.arange(n), 0), ("click", clicked, 5), ("view", viewed, 6), ("cart", carted, 60),
             ("purchase", bought, 300), ("return", returned, 5 * DAY_S)]  # fmt: skip
    rows = np.concatenate([r for _, r, _ in steps])
    name = np.concatenate([np.full(len(r), i, np.int8) for i, (_, r, _) in enumerate(steps)])
    second = np.concatenate([pages["second"][r] + pages["position"][r] * 2 + later for _, r, later in steps])
    order = np.lexsort((pages["position"][rows], name, pages["visit"][rows], second))
    order = order[second[order] < shop.days * DAY_S]
    rows, name, second = rows[order], name[order], second[order]
    shown = name <= 1
    quantity = np.where(name >= 4, 1 + (rng.random(n)[rows] < 0.15), 0)
    return {
        "user": pages["user"][rows],
        "item": pages["item"][rows],
        "second": second,
        "event": np.array([s for s, _, _ in steps])[name],
        "quantity": np.where(name >= 4, quantity.astype(str), ""),
        "price": np.where(name >= 3, np.char.mod("%.2f", world.price[pages["item"][rows]]), ""),
        "visit": pages["visit"][rows],
        "position": np.where(shown, (pages["position"][rows] + 1).astype(str), ""),
        "propensity": np.where(shown, np.char.mod("%.3e", pages["propensity"][rows]), ""),
    }


def _add_faults(events: Columns, share: float, rng: np.random.Generator) -> Columns:
    """Return the events as text, a share of them with an error that validation must find."""
    text = {
        "user_id": _format_ids("U", events["user"]),
        "item_id": _format_ids("P", events["item"]),
        "second": events["second"],
        "event": events["event"].astype("U12"),
        "quantity": events["quantity"].astype("U8"),
        "price": events["price"].astype("U12"),
        "session_id": _format_ids("S", events["visit"]),
        "position": events["position"].astype("U8"),
        "propensity": events["propensity"].astype("U12"),
    }
    faults = [("user_id", ""), ("item_id", ""), ("event", "veiw")]
    faults += [("quantity", "-1"), ("price", "NaN"), ("propensity", "7")]
    rows = np.flatnonzero(rng.random(len(events["user"])) < share)
    kind = rng.integers(len(faults), size=len(rows))
    for i, (column, value) in enumerate(faults):
        text[column] = text[column].copy()
        text[column][rows[kind == i]] = value
    return text


def _write_events(text: Columns, shop: ShopParams, folder: Path) -> None:
    folder.mkdir(exist_ok=True)
    for old in folder.glob("events_*.csv.gz"):
        old.unlink()
    time = _to_datetime64(shop, text["second"])
    month = np.datetime_as_string(time, unit="M")
    columns = {n: c for n, c in text.items() if n != "second"}
    columns = {"user_id": columns.pop("user_id"), "item_id": columns.pop("item_id"), "timestamp": time, **columns}
    for name in np.unique(month):
        rows = month == name
        _write_csv({n: c[rows] for n, c in columns.items()}, folder / f"events_{name}.csv.gz")


def _write_products(world: World, shop: ShopParams, path: Path, has_picture: NDArray[np.bool_]) -> None:
    start = _start(shop)
    ids = _format_ids("P", np.arange(shop.n_items))
    step = 0.25 * shop.days / (N_BATCHES + 1)
    listed = np.where(world.batch > 0, 0.75 * shop.days + step * world.batch, 0.0)
    time = np.datetime_as_string((start + np.floor(listed * DAY_S).astype("timedelta64[s]")), unit="s")
    rows = []
    for i in range(shop.n_items):
        leaf, style, language = int(world.leaf[i]), int(world.style[i]), int(world.item_language[i])
        rows.append({
            "item_id": str(ids[i]),
            "title": shop_texts.title(leaf, style, int(world.colour[i]), int(world.brand[i]), i % 97 + 1, language),
            "description": shop_texts.description(leaf, style, int(world.use[i]), language),
            "brand": shop_texts.BRANDS[world.brand[i]][language],
            "category": shop_texts.category(leaf, language),
            "price": round(float(world.price[i]), 2),
            "language": shop_texts.LANGUAGES[language],
            "timestamp": f"{time[i]}Z",
        } | ({"image": shop_pictures.file_name(str(ids[i]))} if has_picture[i] else {}))  # fmt: skip
    _write_jsonl(rows, path)


def _write_reviews(world: World, shop: ShopParams, rng: np.random.Generator, events: Columns, path: Path) -> None:
    bought = np.flatnonzero(events["event"] == "purchase")
    rows = bought[rng.random(len(bought)) < REVIEW]
    user, item, second = events["user"][rows], events["item"][rows], events["second"][rows] + 3 * DAY_S
    liking = world.click_log_odds(user, item, second >= shop.shift_day * DAY_S) + rng.normal(0, 1.0, len(rows))
    rating = np.clip(np.round(3.6 + 0.8 * liking), 1, 5).astype(int)
    pick, time = rng.integers(10, size=len(rows)), np.datetime_as_string(_to_datetime64(shop, second), unit="s")
    ids = (_format_ids("U", user), _format_ids("P", item))
    written = [
        {"user_id": str(ids[0][i]), "item_id": str(ids[1][i]), "timestamp": f"{time[i]}Z", "rating": int(rating[i]),
         "text": shop_texts.review(int(rating[i]), int(pick[i]), int(world.user_language[user[i]]))}
        for i in range(len(rows)) if second[i] < shop.days * DAY_S
    ]  # fmt: skip
    _write_jsonl(written, path)


def _write_searches(world: World, shop: ShopParams, rng: np.random.Generator, pages: Columns, path: Path) -> None:
    first = np.flatnonzero(pages["position"] == 0)
    rows = first[rng.random(len(first)) < SEARCH]
    fitting = world.leaf[pages["item"]] == pages["about"]
    clicked = np.flatnonzero((rng.random(len(fitting)) < pages["click_chance"]) & fitting)
    click_of = np.full(int(pages["visit"].max(initial=0)) + 1, -1)
    click_of[pages["visit"][clicked[::-1]]] = pages["item"][clicked[::-1]]
    item = click_of[pages["visit"][rows]]
    style, with_style = rng.integers(len(shop_texts.STYLES), size=len(rows)), rng.random(len(rows)) < 0.3
    user, about = pages["user"][rows], pages["about"][rows]
    texts = [
        shop_texts.query(int(a), int(s), bool(w), int(world.user_language[u]))
        for a, s, w, u in zip(about, style, with_style, user, strict=True)
    ]
    columns = {
        "user_id": _format_ids("U", user),
        "timestamp": _to_datetime64(shop, pages["second"][rows]),
        "query": np.array(texts, dtype=object),
        "clicked_item_id": np.where(item >= 0, _format_ids("P", np.maximum(item, 0)), ""),
    }
    _write_csv(columns, path)


def _draw(rng: np.random.Generator, chances: NDArray[np.float32], n: int = 1) -> NDArray[np.int64]:
    """Return n draws for each row of (rows, kinds) chances: (rows, n), or (rows,) for one draw."""
    total = np.cumsum(chances, axis=1, dtype=np.float64)
    dice = rng.random((len(chances), n)) * total[:, -1:]
    drawn = np.stack([(total < dice[:, i : i + 1]).sum(1) for i in range(n)], axis=1)
    return drawn[:, 0] if n == 1 else drawn


def _format_ids(letter: str, index: NDArray[Any]) -> NDArray[Any]:
    return np.char.add(letter, np.char.zfill((np.asarray(index) + 1).astype("U8"), 5))


def _start(shop: ShopParams) -> np.datetime64:
    return np.datetime64(shop.start, "s")


def _to_datetime64(shop: ShopParams, second: NDArray[Any]) -> NDArray[Any]:
    return _start(shop) + second.astype("timedelta64[s]")


def _write_csv(columns: Columns, path: Path) -> None:
    import pyarrow.csv as csv

    buffer = io.BytesIO()
    table = pa.table({n: pa.array(c) for n, c in columns.items()})
    csv.write_csv(table, buffer, csv.WriteOptions(quoting_style="needed"))
    _write_gzip(buffer.getvalue(), path)


def _write_jsonl(rows: list[dict[str, Any]], path: Path) -> None:
    _write_gzip("".join(json.dumps(r, ensure_ascii=False) + "\n" for r in rows).encode(), path)


def _write_gzip(content: bytes, path: Path) -> None:
    with path.open("wb") as file, gzip.GzipFile("", "wb", compresslevel=4, fileobj=file, mtime=0) as out:
        out.write(content)
