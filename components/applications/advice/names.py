"""What the name of a column says about its content, in English and Chinese.

A name is only a hint: `roles.py` takes it where the values agree.
"""

from __future__ import annotations

import re

_ID = r"(id|no|nr|num|number|code|key|hash|uuid|guid|idx|ref|sku)"
_USER = (
    r"(user|customer|client|member|household|visitor|reviewer|account|buyer|shopper|consumer|person|cust|subscriber|"
    r"patron|panelist|purchaser|guest|reader|viewer|hshd|membership|loyalty|loyalty_card|card)"
)
_ITEM = (
    r"(product|item|article|stock|good|merchandise|material|movie|book|song|track|video|business|game|recipe|style|"
    r"prod|listing|offer|course|artist|parent|stock_keeping_unit)"
)
_ORDER = r"(order|invoice|basket|transaction|trans|txn|receipt|ticket|bill|sales_order|purchase|checkout|increment)"
_USER_ZH = r"(用户|客户|会员|顾客|买家|买方|账号|账户|消费者|访客|家庭)"
_ITEM_ZH = r"(商品|产品|货品|物品|宝贝|物料|单品|图书|书籍|菜品)"
_NUMBER_ZH = r"(id|编号|编码|代码|号码|号|标识|条码|货号)"

# role -> (pattern of the whole normalised name, how much it says, in (0, 1])
PATTERNS: dict[str, tuple[tuple[str, float], ...]] = {
    "user": (
        (rf"{_USER}s?_?(unique_|pseudo_)?{_ID}|uid|full_?visitor_?id|user_pseudo_id", 1.0),
        (rf"{_USER_ZH}_?({_NUMBER_ZH}|账号)|{_USER_ZH}", 1.0),
        (rf"\w+_{_USER}s?_?{_ID}", 0.8),
        (r"(user|customer|client|member|household|visitor|reviewer|buyer|shopper|account)s?(_?name)?", 0.7),
        (r"(\w+_)?e_?mail(_address)?|邮箱|手机号?|电话|phone(_number)?|mobile", 0.5),
        (r"cookie(_?id)?|device(_?id)?|client_?ip|ip(_address)?|author(_?id)?", 0.4),
    ),
    "item": (
        (rf"{_ITEM}s?_?{_ID}|sku(_?{_ID})?|stockcode|asin|parent_asin|isbn|upc|ean|gtin|plu|spu|handle", 1.0),
        (rf"{_ITEM_ZH}_?{_NUMBER_ZH}|货号|条码|款号", 1.0),
        (r"(ordered|bought|purchased|viewed|line)_?(product|item)s?(_?(id|no|code|sku))?|iid|itm_?(id|no)?", 0.8),
        (r"(variant|variation)_?(id|sku)", 0.5),
        (rf"{_ITEM}s?|goods|{_ITEM_ZH}", 0.4),
        (r"id|编号|代码|code|number|no", 0.2),
    ),
    "event": (
        (r"(event|action|behaviou?r|activity|interaction|operation)s?(_?(type|name|kind|id|code))?", 1.0),
        (r"(用户)?(行为|事件|操作|动作)(_?类型|名称)?|行为", 1.0),
        (r"type|类型|kind", 0.4),
    ),
    "quantity": (
        (r"(\w+_)?(quantity|qty|quantities|pieces|units)(_?(ordered|sold|purchased|bought))?", 1.0),
        (r"(num|number|nb|no)_(of_)?(items|units|pieces|products)|(购买|商品|销售)?(数量|件数|个数)|销量", 1.0),
        (r"count|amount_of_items|pcs", 0.5),
    ),
    "price": (
        (r"(unit|item|sales?|selling|product|final|actual|discounted|current)_?price(_\w+)?|price(_\w+)?", 1.0),
        (r"(商品|产品|销售|成交)?(单价|价格|售价|现价)", 1.0),
        (r"(list|retail|base|regular|original|max|min|\w+)_?price|标价|原价|unit_cost|msrp|rrp", 0.6),
    ),
    "total": (
        (r"(line|item|net|gross|row)_?(total|amount|value|sales|revenue)|total_price|sub_?total|sales(_?(value|amount))?", 1.0),
        (r"amount|amt|revenue|turnover|spend|total|value|sales_?amt|金额|(商品)?总价|总金额|销售额|小计|实付(金额)?|成交额", 0.7),
    ),
    "order": (
        (rf"{_ORDER}s?_?({_ID}|name)|invoice|order|basket|receipt|(订单|交易|小票|发票|流水)_?{_NUMBER_ZH}|订单|单号|流水号", 1.0),
    ),
    "session": ((r"(\w+_)?(session|visit)s?(_?(id|no|number|key))?|会话(id|编号)?", 1.0),),
    "title": (
        (rf"({_ITEM}s?_?)?(title|name)|prod_name|{_ITEM_ZH}?(名称|名|标题)|品名|书名|标题|名称", 1.0),
        (r"(product|item|article|prod)_?(desc|description|label)|designation|label", 0.7),
        (r"product|item|article|description|desc|商品|产品", 0.4),
    ),
    "description": (
        (r"(\w+_)?(description|desc|details?|overview|about|summary|abstract)|body(_html)?|(商品|产品)?(描述|详情|简介|说明)", 1.0),
        (r"features?|attributes?|long_text|text|content", 0.4),
    ),
    "brand": (
        (r"(product_)?brand(_?(name|title|code|id))?|(商品|产品)?品牌(名称?)?", 1.0),
        (r"manufacturer(_?(name|id))?|vendor(_name)?|maker|publisher|label|store|seller_name|厂商|厂家|供应商|author|作者|artist", 0.6),
    ),
    "category": (
        (r"(\w+_)?categor(y|ies)(_?(name|path|tree|code|title|desc|\w*level\w*|\d+))?|(\w+_)?sub_?categor(y|ies)(_?\w+)?", 1.0),
        (r"(\w*级)?(商品|产品)?(类目|分类|品类|类别|种类)(名称?|\d)?", 1.0),
        (r"department|dept|aisle|genres?|(sub_?)?class|(product|garment|index)_?(type|group|line|family)(_?(name|desc))?", 0.8),
        (r"(\w+_)?categor(y|ies)_?(id|no|number)", 0.6),
        (r"commodity(_desc)?|sub_commodity(_desc)?|部门|section|family|collection", 0.7),
        (r"tags?|types?|attributes|group|segment|i_category|标签", 0.4),
    ),
    "language": ((r"lang(uage)?(_?code)?|语言", 1.0),),
    "image": ((r"(\w+_)?(image|img|picture|photo|thumbnail)s?(_?(url|src|link|path))?|im_?url|(商品)?(图片|主图)(链接)?", 1.0),),
    "rating": ((r"((review|user|product|overall)_?)?(rating|score|stars?)s?|overall|(商品)?(评分|打分|星级)", 1.0), (r"rate|grade", 0.5)),
    "text": (
        (r"(review|comment)s?_?(text|body|content|message|comment|comment_message|detail)|评[论价]_?(内容|文本|正文)?", 1.0),
        (r"(reviews?|comments?|feedback|text|body|content|内容|message)", 0.7),
    ),
    "query": (
        (r"(search|site_search|internal_search)_?(quer(y|ies)|terms?|keywords?|phrase|string|text)|quer(y|ies)|keywords?|搜索(词|内容|关键词)|关键词|查询词?", 1.0),
        (r"search|searches|terms?|phrase|q", 0.5),
    ),
    "clicked": ((r"(clicked|selected|chosen)_?(item|product|article|sku)s?(_?(id|no|code))?|点击(商品|产品)(id|编号)?", 1.0),),
    "status": (
        (r"((order|payment|financial|invoice|purchase|transaction|item)_?)?(status|state)|(订单|交易|支付)?状态", 1.0),
        (r"(is_)?(cancel(l?ed)?|return(ed)?|refund(ed)?)(_flag)?", 0.6),
    ),
}  # fmt: skip
_TIME = re.compile(r"date|time|stamp|(^|_)(at|on|ts|day|when|dt)$|^(ts|dt|day)(_|$)|日期|时间|时刻|日$")
_OF_EVENT = re.compile(
    r"order|purchase|transaction|trans|txn|invoice|event|sale|sold|buy|bought|creat|visit|click|action|basket|review|"
    r"search|view|placed|completed|paid|下单|购买|交易|订单|销售|付款|支付|创建|行为|成交|点击|搜索|评[论价]"
)
_OF_OTHER = re.compile(
    r"ship|deliver|updat|modif|birth|dob|sign_?up|regist|expir|limit|approv|cancel|refund|start|end(_|$)|estimat|due|"
    r"releas|answer|publish|valid|last_|first_|carrier|join|发货|收货|更新|生日|注册|上架|修改|取消|退款|开始|结束|到期"
)
_EXACT_TIME = re.compile(r"(unix_?)?(timestamp|time|datetime|date|ts|event_time|event_date|时间|日期|时间戳)")
_COMPILED = {role: tuple((re.compile(p), s) for p, s in found) for role, found in PATTERNS.items()}


def normalise(name: str) -> str:
    """Return a column's name in lower case with words joined by "_": "CustomerID" and "Customer ID" are customer_id."""
    text = re.sub(r":(token|token_seq|float|float_seq)$", "", name.strip())
    text = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", text)
    return re.sub(r"[\W_]+", "_", text).strip("_").lower()


def score_role(name: str, role: str) -> float:
    """Return how much a column's name says that it has the role, in [0, 1]; 0: nothing."""
    tidy = normalise(name)
    if role == "time":
        return _score_time(tidy)
    return next((score for pattern, score in _COMPILED[role] if pattern.fullmatch(tidy)), 0.0)


def is_about(name: str, pattern: str) -> bool:
    """Return whether a file's name, normalised, has a word that the pattern matches at its beginning."""
    return re.search(rf"(^|_)({pattern})", normalise(name)) is not None


def _score_time(tidy: str) -> float:
    if not _TIME.search(tidy):
        return 0.0
    score = 0.6 + 0.3 * bool(_OF_EVENT.search(tidy)) + 0.2 * bool(_EXACT_TIME.fullmatch(tidy))
    return max(score - 0.5 * bool(_OF_OTHER.search(tidy)), 0.05)
