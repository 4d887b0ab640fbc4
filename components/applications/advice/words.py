"""Words in the shops' values: kinds of events, and states of orders, in English and Chinese."""

from __future__ import annotations

import re

EVENT_WORDS: dict[str, tuple[str, ...]] = {
    "view": (
        "view", "views", "pv", "pageview", "page_view", "page", "detail", "details", "view_item", "product_view",
        "productview", "viewed", "visit", "browse", "browsing", "look", "open", "read", "play", "watch", "listen",
        "item_view", "view_product", "detail_view", "productdetail", "浏览", "查看", "访问", "看",
    ),
    "click": ("click", "clk", "clicked", "clicks", "select_item", "item_click", "product_click", "tap", "点击"),
    "cart": (
        "cart", "addtocart", "add_to_cart", "add-to-cart", "add", "basket", "addtobasket", "add_to_basket", "atc",
        "added_to_cart", "cart_add", "addcart", "bag", "add_to_bag", "加购", "加入购物车", "购物车", "加购物车",
    ),
    "purchase": (
        "purchase", "purchased", "buy", "bought", "transaction", "order", "ordered", "sale", "sold", "checkout",
        "checkouts", "conversion", "paid", "pay", "payment", "purchases", "booking", "alipay", "buys", "orders",
        "购买", "下单", "支付", "付款", "成交", "买", "订单", "销售", "已购买",
    ),
    "return": (
        "return", "returned", "refund", "refunded", "returns", "credit", "credit_note", "storno", "退货", "退款",
        "退单", "退",
    ),
    "impression": ("impression", "impressions", "shown", "exposure", "view_item_list", "imp", "曝光", "展示"),
}  # fmt: skip
CANCELLED = (
    "cancelled", "canceled", "cancel", "cancelled_by_user", "void", "voided", "failed", "declined", "expired",
    "rejected", "unpaid", "trash", "draft", "payment_failed", "unavailable", "已取消", "取消", "已关闭", "交易关闭",
    "未付款", "待付款", "作废",
)  # fmt: skip
REFUNDED = ("refunded", "refund", "returned", "return", "chargeback", "已退款", "退款成功", "退款", "已退货", "退货")
STATES = (
    "delivered", "shipped", "paid", "completed", "complete", "processing", "invoiced", "approved", "created", "pending",
    "closed", "fulfilled", "partially_refunded", "authorized", "on-hold", "open", "placed", "success", "confirmed",
    "已完成", "已发货", "已付款", "已支付", "交易成功", "已签收", "待发货", "完成",
)  # fmt: skip
LEFT_OUT = (  # known, and nothing that a recommender learns from
    "remove", "remove_from_cart", "removefromcart", "removed_from_cart", "cart_remove", "fav", "favorite", "favourite",
    "wishlist", "add_to_wishlist", "like", "share", "login", "logout", "search", "scroll", "session_start", "user_engagement",
    "first_visit", "begin_checkout", "add_payment_info", "add_shipping_info", "collect", "收藏", "搜索", "分享", "移出购物车",
)  # fmt: skip
FILE_WORDS = {  # of file names
    "impression": r"impression|expos|曝光",
    "return": r"return|refund|退货|退款",
    "cart": r"cart|basket_add|add_to|加购|购物车",
    "purchase": r"purchas|order|transaction|sale|buy|bought|invoice|checkout|订单|购买|销售|交易|成交",
    "click": r"click|点击",
    "view": r"view|brows|visit|page|浏览|访问",
}
_KINDS = {word: kind for kind, words in EVENT_WORDS.items() for word in words}


def fold(word: str) -> str:
    """Return a word of a value in lower case, blanks around it removed and those within it as "_"."""
    return re.sub(r"\s+", "_", word.strip().lower())


def kind_of_word(word: str) -> str | None:
    """Return the kind of event that a shop's word stands for; None where it is not known."""
    folded = fold(word)
    return _KINDS.get(folded) or _KINDS.get(folded.replace("-", "_"))


def kind_of_file(name: str) -> str | None:
    """Return the kind of event that a file's name speaks of; None where it does not."""
    return next((k for k, words in FILE_WORDS.items() if re.search(rf"(^|[^a-z])({words})", name.lower())), None)
