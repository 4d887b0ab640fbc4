"""Small shops in the layouts that exports have; each function writes its files and returns their folder."""

import json
import sqlite3
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path

N_USERS, N_ITEMS, DAYS = 40, 30, 120
START = datetime(2025, 1, 6, 9, 30)


def purchases() -> Iterator[tuple[int, int, int, datetime, int]]:
    """Yield order, user, item, time and quantity of 40 users who buy three products a month, for four months."""
    order = 0
    for day in range(0, DAYS, 3):
        for user in range(N_USERS):
            if (user + day) % 10 == 0:
                order += 1
                for n in range(2):
                    yield (
                        order,
                        user,
                        (user * 7 + day + 11 * n) % N_ITEMS,
                        START + timedelta(days=day, minutes=user),
                        1 + n,
                    )


def write(path: Path, header: str, rows: list[str], encoding: str = "utf-8") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join([header, *rows]) + "\n", encoding=encoding)


def european(folder: Path) -> Path:
    """One file of invoice lines: semicolons, decimal commas, days first, returns as negative quantities."""
    rows = []
    for order, user, item, at, quantity in purchases():
        number = -quantity if order % 20 == 0 else quantity
        rows.append(
            f"R{order};A{item:04d};Becher {item} rot;{number};{at:%d.%m.%Y %H:%M};{item + 1},95;{1000 + user};DE"
        )
    write(
        folder / "umsatz.csv", "InvoiceNo;ArticleNo;Product Name;Qty;Invoice Date;Unit Price;Customer No;Country", rows
    )
    return folder


def orders_and_lines(folder: Path) -> Path:
    """Orders, their lines, customers and products in files of their own; customer_id is new with each order."""
    lines, orders, customers = [], {}, {}
    for order, user, item, at, _ in purchases():
        lines.append(f"o{order},1,p{item},s1,{at + timedelta(days=5):%Y-%m-%d %H:%M:%S},{item + 0.9:.2f},3.10")
        status = "canceled" if order % 9 == 0 else "delivered"
        orders[order] = f"o{order},c{order},{status},{at:%Y-%m-%d %H:%M:%S},{at + timedelta(hours=1):%Y-%m-%d %H:%M:%S}"
        customers[order] = f"c{order},u{user},{1000 + user}"
    write(
        folder / "order_items.csv",
        "order_id,order_item_id,product_id,seller_id,shipping_limit_date,price,freight",
        lines,
    )
    write(
        folder / "orders.csv",
        "order_id,customer_id,order_status,order_purchase_timestamp,order_approved_at",
        list(orders.values()),
    )
    write(folder / "customers.csv", "customer_id,customer_unique_id,zip_code_prefix", list(customers.values()))
    write(
        folder / "products.csv", "product_id,product_category_name,weight_g", [f"p{i},toys,{i}" for i in range(N_ITEMS)]
    )
    return folder


def chinese(folder: Path, encoding: str = "utf-8") -> Path:
    """A log of behaviours with Chinese names and words, and a file of products."""
    words = ("浏览", "浏览", "加购", "购买")
    rows = [
        f"用户{user},{10000 + item},{words[(order + item) % 4]},{at:%Y年%m月%d日 %H:%M:%S}"
        for order, user, item, at, _ in purchases()
    ]
    write(folder / "行为日志.csv", "用户ID,商品编号,行为类型,时间", rows, encoding)
    products = [f"{10000 + i},红色茶壶{i},厨房,{i + 9.5}" for i in range(N_ITEMS)]
    write(folder / "商品.csv", "商品编号,商品名称,一级类目,价格", products, encoding)
    return folder


def nested(folder: Path) -> Path:
    """Orders as JSON Lines, each with the list of its lines, and products as JSON Lines."""
    orders: dict[int, dict[str, object]] = {}
    for order, user, item, at, quantity in purchases():
        found = orders.setdefault(
            order,
            {
                "id": order,
                "created_at": f"{at:%Y-%m-%dT%H:%M:%SZ}",
                "customer": {"id": user, "email": f"u{user}@x.org"},
            },
        )
        line = {"sku": f"K{item}", "name": f"Cup {item}", "quantity": quantity, "price": item + 0.5}
        found.setdefault("line_items", []).append(line)  # type: ignore[attr-defined]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "orders.jsonl").write_text("".join(json.dumps(o) + "\n" for o in orders.values()))
    return folder


def database(folder: Path) -> Path:
    """An SQLite database with orders, lines and products."""
    folder.mkdir(parents=True, exist_ok=True)
    with sqlite3.connect(folder / "shop.sqlite") as connection:
        connection.execute("CREATE TABLE orders (id INTEGER, customer_id INTEGER, created_at TEXT)")
        connection.execute(
            "CREATE TABLE order_lines (order_id INTEGER, product_id INTEGER, quantity INTEGER, price REAL)"
        )
        connection.execute("CREATE TABLE products (id INTEGER, title TEXT, brand TEXT)")
        rows = list(purchases())
        heads = {order: (order, user, f"{at:%Y-%m-%d %H:%M:%S}") for order, user, _, at, _ in rows}
        connection.executemany("INSERT INTO orders VALUES (?, ?, ?)", heads.values())
        connection.executemany(
            "INSERT INTO order_lines VALUES (?, ?, ?, ?)", [(o, 500 + i, q, i + 0.5) for o, _, i, _, q in rows]
        )
        connection.executemany(
            "INSERT INTO products VALUES (?, ?, ?)", [(500 + i, f"Cup {i}", "Acme") for i in range(N_ITEMS)]
        )
    return folder / "shop.sqlite"


def one_log(folder: Path) -> Path:
    """One log of views, carts and purchases that describes its products, with kinds that count for nothing."""
    words = ("view", "view", "cart", "remove_from_cart", "purchase")
    rows = [
        f"{at:%Y-%m-%d %H:%M:%S} UTC,{words[(order + item) % 5]},{5000 + item},electronics.audio.mp{item % 3},acme,"
        f"{item + 0.99},{90000 + user},s{order}"
        for order, user, item, at, _ in purchases()
    ]
    write(
        folder / "2025-Jan.csv", "event_time,event_type,product_id,category_code,brand,price,user_id,user_session", rows
    )
    return folder


def reviews(folder: Path) -> Path:
    """Reviews with ratings and texts, and the products' metadata, as JSON Lines."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = [
        {"reviewerID": f"A{user}", "asin": f"B{item:05d}", "overall": 1.0 + (user + item) % 5, "reviewText": "Fine",
         "summary": "Good", "unixReviewTime": int(at.timestamp()), "verified": True}
        for _, user, item, at, _ in purchases()
    ]  # fmt: skip
    (folder / "reviews.json").write_text("".join(json.dumps(r) + "\n" for r in rows))
    meta = [
        {
            "asin": f"B{i:05d}",
            "title": f"Cup {i}",
            "brand": "Acme",
            "category": ["Home", "Kitchen"],
            "price": f"${i}.99",
        }
        for i in range(N_ITEMS)
    ]
    (folder / "meta.json").write_text("".join(json.dumps(m) + "\n" for m in meta))
    return folder


LAYOUTS: dict[str, Callable[[Path], Path]] = {
    f.__name__: f for f in (european, orders_and_lines, chinese, nested, database, one_log, reviews)
}


def month_files(folder: Path) -> Path:
    """Invoice lines in a file for each month, without a table of products; some lines have no customer (as UCI's)."""
    months: dict[str, list[str]] = {}
    for order, user, item, at, quantity in purchases():
        sign, number = ("C", -quantity) if order % 30 == 0 else ("", quantity)
        customer = "" if order % 7 == 0 else f"{17000 + user}"
        months.setdefault(f"{at:%Y-%m}", []).append(
            f"{sign}{536000 + order},8{item:04d}A,RED CUP {item},{number},{at:%Y-%m-%d %H:%M:%S},{item + 0.55},"
            f"{customer},UK"
        )
    header = "InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country"
    for month, rows in months.items():
        write(folder / f"sales_{month}.csv", header, rows)
    return folder


def ratings_by_day(folder: Path) -> Path:
    """Interactions with times in seconds, and products whose levels are joined by | (as Amazon's 5-core files)."""
    rows = [f"{user},{item},{int(at.timestamp()) // 86400 * 86400}" for _, user, item, at, _ in purchases()]
    write(folder / "interactions.csv", "user_id,item_id,timestamp", rows)
    items = [f'{i},B00{i:04d},"Soap, {i} pieces",Acme|Beauty|Skin Care' for i in range(N_ITEMS)]
    write(folder / "items.csv", "item_id,asin,title,attributes", items)
    (folder / "provenance.txt").write_text("made for a test\n")
    return folder


def grocer(folder: Path) -> Path:
    """Baskets of households, products without a title, and campaign files that nothing is read from."""
    rows = [
        f"{user},{300 + user % 3},{31000000 + order},{900000 + item},{quantity},{(item + 1) * quantity:.2f},0,"
        f"{at:%Y-%m-%d %H:%M:%S}"
        for order, user, item, at, quantity in purchases()
    ]
    header = "household_id,store_id,basket_id,product_id,quantity,sales_value,coupon_disc,transaction_timestamp"
    write(folder / "transactions.csv", header, rows)
    products = [f"{900000 + i},{i % 4},GROCERY,Private,SOUP,SOUP {i % 6},12 OZ" for i in range(N_ITEMS)]
    header = "product_id,manufacturer_id,department,brand,product_category,product_type,package_size"
    write(folder / "products.csv", header, products)
    write(
        folder / "campaign_descriptions.csv",
        "campaign_id,campaign_type,start_date,end_date",
        ["1,A,2025-02-01,2025-03-01"],
    )
    return folder


def recbole(folder: Path) -> Path:
    """RecBole's atomic files: ratings and movies separated by tabs."""
    rows = [f"{user}\t{item}\t{1 + (user + item) % 5}\t{int(at.timestamp())}" for _, user, item, at, _ in purchases()]
    write(folder / "small.inter", "user_id:token\titem_id:token\trating:float\ttimestamp:float", rows)
    items = [f"{i}\tMovie {i}\t199{i % 10}\tDrama" for i in range(N_ITEMS)]
    write(folder / "small.item", "item_id:token\tmovie_title:token_seq\trelease_year:token\tclass:token_seq", items)
    return folder


RAW_SHOPS: dict[str, Callable[[Path], Path]] = {f.__name__: f for f in (month_files, ratings_by_day, grocer, recbole)}
