"""Made-up shops, large enough for a verdict, written as each export of docs/exports.md."""

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

N_USERS, N_ITEMS, DAYS = 40, 16, 60
COLOURS = ("blue", "red")


@dataclass(frozen=True)
class Purchase:
    """One purchase; odd users buy odd items, even users even ones."""

    number: int
    user: int
    item: int
    time: datetime

    @property
    def seconds(self) -> int:
        """Return Unix seconds."""
        return int(self.time.timestamp())

    def __str__(self) -> str:
        """Return the time as most exports write it."""
        return self.time.strftime("%Y-%m-%d %H:%M:%S")


def purchases(end: datetime) -> list[Purchase]:
    """Return one purchase of each user every ten days, a tenth of the users on each day, oldest first."""
    made = [
        (end - timedelta(days=10 * turn + user % 10, minutes=1 + user), user, _item(user, turn))
        for turn in range(DAYS // 10)
        for user in range(1, N_USERS + 1)
    ]
    return [Purchase(n, user, item, time) for n, (time, user, item) in enumerate(sorted(made), start=1)]


def _item(user: int, turn: int) -> int:
    """Return one of the items of the user's parity, another one at each turn."""
    return 2 * (1 + (user // 2 * 3 + turn * 5) % (N_ITEMS // 2)) - user % 2


def title(item: int) -> str:
    return f"{COLOURS[item % 2].title()} thing {item}"


ITEMS = range(1, N_ITEMS + 1)
Files = dict[str, str]


def csv(header: str, rows: Iterable[str]) -> str:
    return "".join(f"{line}\n" for line in [header, *rows])


def lines(rows: Iterable[Any]) -> str:
    return "".join(json.dumps(row) + "\n" for row in rows)


def shopify(made: list[Purchase]) -> Files:
    products = (f"thing-{i},{title(i)},,Maker,Things,Title,Default Title,SKU-{i},{i}.50" for i in ITEMS)
    orders = (f"#{p.number},u{p.user}@shop.example,paid,{p} +0000,1,{title(p.item)},5.00,SKU-{p.item}," for p in made)
    return {
        "products.csv": csv(
            "Handle,Title,Body (HTML),Vendor,Type,Option1 Name,Option1 Value,Variant SKU,Variant Price", products
        ),
        "orders.csv": csv(
            "Name,Email,Financial Status,Created at,Lineitem quantity,Lineitem name,Lineitem price,Lineitem sku,"
            "Cancelled at",
            orders,
        ),
        "customers.csv": csv("Customer ID,Email", (f"'{u},u{u}@shop.example" for u in range(1, N_USERS + 1))),
    }


def woocommerce(made: list[Purchase]) -> Files:
    products = (f"{i},simple,SKU-{i},{title(i)},,{i},Things" for i in ITEMS)
    orders = (
        {"id": p.number, "status": "completed", "date_created_gmt": p.time.strftime("%Y-%m-%dT%H:%M:%S")}
        | {"customer_id": p.user, "billing": {}, "line_items": [{"product_id": p.item, "quantity": 1, "price": 5}]}
        for p in made
    )
    header = "ID,Type,SKU,Name,Description,Regular price,Categories"
    return {"product.csv": csv(header, products), "orders.jsonl": lines(orders)}


def magento(made: list[Purchase]) -> Files:
    products = (f"SKU-{i},,simple,Default Category/Things,{title(i)},,{i}" for i in ITEMS)
    orders = (
        {"increment_id": str(p.number), "status": "complete", "created_at": str(p), "customer_id": p.user}
        | {"items": [{"sku": f"SKU-{p.item}", "product_type": "simple", "qty_ordered": 1, "price": 5}]}
        for p in made
    )
    header = "sku,store_view_code,product_type,categories,name,description,price"
    return {"product.csv": csv(header, products), "orders.jsonl": lines(orders)}


def ga4(made: list[Purchase]) -> Files:
    return {
        "events.json": lines(
            {"event_timestamp": str(p.seconds * 1_000_000 + n), "event_name": name, "user_pseudo_id": f"{p.user}.1"}
            | {
                "event_params": [],
                "items": [{"item_id": str(p.item), "item_name": title(p.item), "price": 5, "quantity": "1"}],
            }
            for p in made
            for n, name in enumerate(("view_item", "add_to_cart", "purchase"))
        )
    }


def matomo(made: list[Purchase]) -> Files:
    def actions(p: Purchase) -> list[dict[str, Any]]:
        view = {"type": "action", "timestamp": p.seconds - 60, "productViewSku": str(p.item)}
        item = {"itemSKU": str(p.item), "itemName": title(p.item), "price": 5, "quantity": 1, "categories": ["Things"]}
        return [view, {"type": "ecommerceOrder", "timestamp": p.seconds, "itemDetails": [item]}]

    return {
        "visits.jsonl": lines(
            {"idVisit": p.number, "visitorId": f"{p.user:016x}", "actionDetails": actions(p)} for p in made
        )
    }


def movielens(made: list[Purchase]) -> Files:
    return {
        "movies.csv": csv("movieId,title,genres", (f"{i},{title(i)},Drama|Comedy" for i in ITEMS)),
        "ratings.csv": csv("userId,movieId,rating,timestamp", (f"{p.user},{p.item},4.5,{p.seconds}" for p in made)),
    }


def recbole(made: list[Purchase]) -> Files:
    header = "user_id:token\titem_id:token\trating:float\ttimestamp:float"
    return {
        "shop.inter": csv(header, (f"{p.user}\t{p.item}\t5\t{p.seconds}" for p in made)),
        "shop.item": csv("item_id:token\ttitle:token_seq", (f"{i}\t{title(i)}" for i in ITEMS)),
    }


def retailrocket(made: list[Purchase]) -> Files:
    events = (
        f"{p.seconds * 1000 + n},{p.user},{event},{p.item},{p.number if event == 'transaction' else ''}"
        for p in made
        for n, event in enumerate(("view", "addtocart", "transaction"))
    )
    first = made[0].seconds * 1000 - 1
    return {
        "events.csv": csv("timestamp,visitorid,event,itemid,transactionid", events),
        "item_properties_part1.csv": csv(
            "timestamp,itemid,property,value", (f"{first},{i},categoryid,{i % 2}" for i in ITEMS)
        ),
        "category_tree.csv": csv("categoryid,parentid", ("0,9", "1,9", "9,")),
    }


def hm(made: list[Purchase]) -> Files:
    articles = (f"01{i:08d},{title(i)},,Vest,Index,Group,Jersey" for i in ITEMS)
    sales = (f"{p.time:%Y-%m-%d},{p.user:064x},01{p.item:08d},0.05,1" for p in made)
    header = "article_id,prod_name,detail_desc,product_type_name,index_name,index_group_name,garment_group_name"
    return {
        "articles.csv": csv(header, articles),
        "transactions_train.csv": csv("t_dat,customer_id,article_id,price,sales_channel_id", sales),
    }


def instacart(made: list[Purchase]) -> Files:
    counted: dict[int, int] = {}
    orders = []
    for p in made:
        counted[p.user] = counted.get(p.user, 0) + 1
        gap = "10.0" if counted[p.user] > 1 else ""
        orders.append(f"{p.number},{p.user},prior,{counted[p.user]},1,{p.user % 24:02d},{gap}")
    header = "order_id,user_id,eval_set,order_number,order_dow,order_hour_of_day,days_since_prior_order"
    return {
        "orders.csv": csv(header, orders),
        "order_products__prior.csv": csv(
            "order_id,product_id,add_to_cart_order,reordered", (f"{p.number},{p.item},1,0" for p in made)
        ),
        "products.csv": csv("product_id,product_name,aisle_id,department_id", (f"{i},{title(i)},1,1" for i in ITEMS)),
        "aisles.csv": "aisle_id,aisle\n1,tea\n",
        "departments.csv": "department_id,department\n1,drinks\n",
    }


EXPORTS: dict[str, Callable[[list[Purchase]], Files]] = {
    f.__name__: f for f in (shopify, woocommerce, magento, ga4, matomo, movielens, recbole, retailrocket, hm, instacart)
}


def write_export(name: str, folder: Path, end: datetime) -> None:
    """Write the files of an export below `folder`, as its overlay reads them."""
    (folder / name).mkdir(parents=True)
    for file, text in EXPORTS[name](purchases(end.astimezone(UTC))).items():
        (folder / name / file).write_text(text)
