"""Texts of the simulated shop in English and Chinese: product titles, descriptions, queries and reviews."""

from __future__ import annotations

LANGUAGES = ("en", "zh")

# top category -> its kinds of product; (English, Chinese)
CATEGORIES: dict[tuple[str, str], list[tuple[str, str]]] = {
    ("Kitchen", "厨房"): [("frying pan", "平底锅"), ("teapot", "茶壶"), ("chef knife", "菜刀"), ("storage jar", "储物罐"),
                        ("rice cooker", "电饭煲"), ("coffee grinder", "咖啡研磨机")],
    ("Garden", "园艺"): [("watering can", "浇水壶"), ("flower pot", "花盆"), ("pruning shears", "修枝剪"),
                       ("seed set", "种子套装"), ("garden hose", "花园水管"), ("bird feeder", "喂鸟器")],
    ("Women's Clothing", "女装"): [("summer dress", "连衣裙"), ("knitted sweater", "针织毛衣"), ("pleated skirt", "百褶裙"),
                               ("silk scarf", "丝巾"), ("trench coat", "风衣"), ("blouse", "女士衬衫")],
    ("Men's Clothing", "男装"): [("oxford shirt", "牛津衬衫"), ("leather belt", "皮带"), ("chino trousers", "休闲裤"),
                             ("down jacket", "羽绒服"), ("polo shirt", "马球衫"), ("wool socks", "羊毛袜")],
    ("Electronics", "数码"): [("wireless headphones", "无线耳机"), ("power bank", "充电宝"), ("desk lamp", "台灯"),
                            ("bluetooth speaker", "蓝牙音箱"), ("phone case", "手机壳"), ("mechanical keyboard", "机械键盘")],
    ("Beauty", "美妆"): [("lipstick", "口红"), ("face cream", "面霜"), ("perfume", "香水"), ("nail polish", "指甲油"),
                       ("shampoo", "洗发水"), ("eye shadow palette", "眼影盘")],
    ("Toys", "玩具"): [("building blocks", "积木"), ("jigsaw puzzle", "拼图"), ("plush bear", "毛绒熊"), ("toy train", "玩具火车"),
                     ("board game", "桌游"), ("kite", "风筝")],
    ("Sports", "运动"): [("yoga mat", "瑜伽垫"), ("running shoes", "跑步鞋"), ("badminton racket", "羽毛球拍"),
                       ("dumbbell", "哑铃"), ("swimming goggles", "泳镜"), ("cycling helmet", "骑行头盔")],
    ("Outdoor", "户外"): [("camping tent", "露营帐篷"), ("sleeping bag", "睡袋"), ("hiking backpack", "登山包"),
                        ("folding chair", "折叠椅"), ("thermos flask", "保温杯"), ("headlamp", "头灯")],
    ("Books", "图书"): [("cookbook", "食谱书"), ("travel guide", "旅行指南"), ("picture book", "绘本"),
                      ("detective novel", "侦探小说"), ("history atlas", "历史地图集"), ("poetry collection", "诗集")],
    ("Pets", "宠物"): [("cat tree", "猫爬架"), ("dog leash", "狗绳"), ("fish tank", "鱼缸"), ("pet bed", "宠物窝"),
                     ("chew toy", "磨牙玩具"), ("bird cage", "鸟笼")],
    ("Office", "办公"): [("fountain pen", "钢笔"), ("leather notebook", "皮面笔记本"), ("paper shredder", "碎纸机"),
                       ("monitor stand", "显示器支架"), ("ink refill", "墨水"), ("desk organiser", "桌面收纳盒")],
}  # fmt: skip

STYLES = [("vintage", "复古"), ("minimalist", "简约"), ("floral", "碎花"), ("sporty", "运动风"), ("luxury", "轻奢"),
          ("rustic", "田园"), ("cute", "可爱"), ("professional", "专业")]  # fmt: skip
COLOURS = [("red", "红色"), ("navy blue", "藏青色"), ("forest green", "墨绿色"), ("black", "黑色"), ("ivory", "象牙白"),
           ("pink", "粉色"), ("golden", "金色"), ("grey", "灰色")]  # fmt: skip
BRANDS = [("Lumora", "露漫"), ("Pinecraft", "松匠"), ("Oakline", "橡线"), ("Veloria", "薇洛"), ("Hanabi", "花火"),
          ("Norrland", "北岚"), ("Qinghe", "清禾"), ("Bluewren", "蓝鹪"), ("Tamaris", "柽木"), ("Yunshan", "云杉"),
          ("Castell", "堡语"), ("Mirabel", "米拉贝"), ("Sagebrook", "鼠尾溪"), ("Zhuying", "竹影"), ("Kestrel", "红隼"),
          ("Amberly", "琥珀里")]  # fmt: skip
USES = [("for every day", "日常使用"), ("as a gift", "送礼佳品"), ("for travel", "旅行便携"), ("for small homes", "小户型适用"),
        ("for beginners", "新手友好"), ("for the whole family", "全家共享")]  # fmt: skip

REVIEWS = {  # rating -> texts
    1: [("Broke after two days. I want my money back.", "用了两天就坏了，要求退款。"),
        ("Terrible quality, nothing like the picture.", "质量太差，和图片完全不一样。")],
    2: [("Disappointing, the material feels cheap.", "有点失望，材质感觉很廉价。"),
        ("Too small and it smells odd.", "尺寸偏小，还有异味。")],
    3: [("It is okay for the price.", "这个价格还算可以。"), ("Average, does what it should.", "一般般，能用。")],
    4: [("Good value and quick delivery.", "性价比高，发货也快。"), ("Nice, I would buy it again.", "不错，会再买。")],
    5: [("Absolutely love it, perfect quality!", "非常喜欢，质量完美！"),
        ("Beautiful and well made, highly recommended.", "很漂亮，做工精细，强烈推荐。")],
}  # fmt: skip

KINDS = [(top, kind) for top, kinds in CATEGORIES.items() for kind in kinds]  # leaf index -> ((en, zh), (en, zh))


def category(leaf: int, language: int) -> str:
    """Return the category path of a kind of product, such as "Kitchen > teapot"."""
    top, kind = KINDS[leaf]
    return f"{top[language]} > {kind[language]}"


def title(leaf: int, style: int, colour: int, brand: int, model: int, language: int) -> str:
    """Return a product's title; `model` distinguishes products that are otherwise equal."""
    words = (BRANDS[brand], STYLES[style], COLOURS[colour], KINDS[leaf][1])
    if LANGUAGES[language] == "en":
        return " ".join([*(w[0] for w in words), f"No. {model}"])
    return "".join(w[1] for w in words) + f" {model}号"


def description(leaf: int, style: int, use: int, language: int) -> str:
    """Return one or two sentences about a product."""
    (_, kind), look, what_for = KINDS[leaf], STYLES[style], USES[use]
    if LANGUAGES[language] == "en":
        return f"A {look[0]} {kind[0]}, {what_for[0]}."
    return f"{look[1]}风格的{kind[1]}，{what_for[1]}。"


def query(leaf: int, style: int, with_style: bool, language: int) -> str:
    """Return the search query for a kind of product."""
    kind, look = KINDS[leaf][1][language], STYLES[style][language]
    joint = " " if LANGUAGES[language] == "en" else ""
    return f"{look}{joint}{kind}" if with_style else kind


def review(rating: int, pick: int, language: int) -> str:
    """Return a review text that agrees with the rating."""
    texts = REVIEWS[rating]
    return texts[pick % len(texts)][language]
