"""Texts with and without personal data, in English and Chinese, made from a seed: what masking is measured on.

In a template `#` is a digit, `%` a digit from 1 to 9, {a|b} one of the parts.
"""

import random
import re
import string
from collections.abc import Callable
from typing import NamedTuple

from components.privacy import checksums


class Planted(NamedTuple):
    text: str
    secrets: tuple[tuple[str, str], ...]  # kind, and the part of the text that must disappear


Maker = Callable[[random.Random], str]
FULL_WIDTH = str.maketrans("0123456789", "０１２３４５６７８９")
NAMES = "{john|mary|peter|anna|lucas|wei|fang|emma|oliver|sofia}"
SURNAMES = "{smith|zhang|miller|wang|jones|garcia|li|brown|chen|taylor}"
HOSTS = "{gmail.com|qq.com|163.com|outlook.com|yahoo.co.uk|mail.example.org|company.com.cn|t-online.de}"
MOBILE_ZH = "1{3|5|7|8|9}#"
LANDLINE_ZH = "{010|021|0755|0571|028}"
US = ("%##", "###", "####")


def fill(rng: random.Random, *templates: str) -> str:
    """Return one of the templates, filled."""
    text = rng.choice(templates)
    while match := re.search(r"\{([^{}]*)\}", text):
        text = text[: match.start()] + rng.choice(match[1].split("|")) + text[match.end() :]
    return re.sub("[#%]", lambda m: rng.choice(string.digits if m[0] == "#" else "23456789"), text)


def templates(*texts: str) -> Maker:
    return lambda rng: fill(rng, *texts)


email = templates(
    *[f"{NAMES}{{.|_|}}{SURNAMES}@{HOSTS}", f"{NAMES}%#@{HOSTS}", f"%########@{HOSTS}"] * 3,
    f"{NAMES}+shop@{HOSTS}", f"{NAMES} @ {HOSTS}", f"{NAMES}＠{HOSTS}", f"{NAMES}.{SURNAMES}(at){HOSTS}",
    f"{NAMES} [at] {HOSTS}", f"{NAMES} dot {SURNAMES} at gmail dot com",
)  # fmt: skip
mobile_zh = templates(
    *[f"{MOBILE_ZH}########"] * 3, f"{MOBILE_ZH} #### ####", f"{MOBILE_ZH}-####-####", f"{MOBILE_ZH}.####.####",
    f"{{+86 |+86|(+86) |0086 |86-}}{MOBILE_ZH}########", f"+86 {MOBILE_ZH}-####-####",
)  # fmt: skip
landline_zh = templates(
    f"{LANDLINE_ZH}-%#######", f"({LANDLINE_ZH})%#######", f"（{LANDLINE_ZH}）%###-####", f"{LANDLINE_ZH} %### ####",
    f"{LANDLINE_ZH}-%#######转8##", "+86-{10|21|755}-%#######", "400-{8|1|6}##-####",
)  # fmt: skip
phone_us = templates(
    "(%##) ###-####", "%##-###-####", "%##.###.####", "%## ### ####", "+1 %## ### ####", "+1-%##-###-####",
    "1-%##-###-####", "+1 (%##) ###-####", "(%##)###-####", "%##-###-#### ext. %#", "+1%#########",
)  # fmt: skip
phone_uk = templates(
    "07{4|5|7|8|9}## ######", "07{4|5|7|8|9}########", "+44 7{4|5|7|8|9}## ######", "020 7### ####",
    "+44 (0)20 7### ####", "0161 %## ####",
)  # fmt: skip
phone_world = templates(
    "+49 1## ########", "+33 6 ## ## ## ##", "+81 90-####-####", "+852 {5|6|9}### ####", "+65 {8|9}### ####",
    "+91 {7|8|9}#### #####", "+61 4## ### ###",
)  # fmt: skip
ssn = templates("{1|2|3|4|5}##-{2|4|6|7}%-%###")
wechat = templates(f"{NAMES}{{_|-|}}####")
qq = templates("%#####", "%#######", "%#########")
passport = templates("{E|G|D|P}########")
DISTRICTS = (
    "{北京市朝阳区|上海市浦东新区|广东省深圳市南山区|浙江省杭州市西湖区|江苏省苏州市工业园区|四川省成都市武侯区|天津市和平区|"
    "湖北省武汉市洪山区}"
)
ROADS = "{建国路|张江路|科技大道|文三路|人民南路|中山北路|解放街|学院路}"
HOMES = "{%栋%单元%0%室|%#号楼%##室|阳光花园%幢%#0%|%##室||创业大厦%楼}"
address_zh = templates(*[f"{DISTRICTS}{ROADS}%#号{HOMES}"] * 4, f"{ROADS}%##弄%号%0%室", "阳光家园%#栋%单元%0%室")
STREETS = (
    "%## {Main|Oak|Maple|Park|N. Lincoln|Martin Luther King|5th|Sunset|Elm} "
    "{Street|St|Avenue|Ave|Road|Rd.|Blvd|Lane|Drive|Court|Way}"
)
TOWNS = "{Springfield, IL|Austin, TX|San Jose, CA|New York, NY|Portland, OR} %####"
FLATS = "{Apt 4B|Unit 12|Suite 300|#5|Apt. 210}".replace("#", "\\")
POSTCODES = "{SW1A 2AA|M1 1AE|EC1A 1BB|LS1 4DY|B33 8TH|CR2 6XH}"
_address_en = templates(
    f"{STREETS}, {FLATS}, {TOWNS}", f"{STREETS}, {TOWNS}", f"{STREETS} {FLATS}, {TOWNS}", f"P.O. Box %##, {TOWNS}",
    f"%# High Street, London {POSTCODES}", f"Flat %, %# Church Road, Leeds {POSTCODES}",
)  # fmt: skip


def address_en(rng: random.Random) -> str:
    return _address_en(rng).replace("\\", "#")


def with_luhn(body: str) -> str:
    return next(body + d for d in string.digits if checksums.has_luhn_digit(body + d))


def card(rng: random.Random) -> str:
    number = with_luhn(fill(rng, "4##############", "5{1|2|3|4|5}#############", "37############", "62#############",
                            "6011###########", "6222##############"))  # fmt: skip
    if len(number) == 15:
        return rng.choice([number, f"{number[:4]} {number[4:10]} {number[10:]}"])
    separator = rng.choice(["", " ", "-"])
    return separator.join(number[i : i + 4] for i in range(0, len(number), 4))


def iban(rng: random.Random) -> str:
    country, body = rng.choice(
        [("DE", "#" * 18), ("FR", "#" * 23), ("ES", "#" * 20), ("NL", "ABNA" + "#" * 10), ("GB", "NWBK" + "#" * 14)]
    )
    body = fill(rng, body)
    number = next(c for n in range(2, 99) if checksums.is_iban(c := f"{country}{n:02d}{body}"))
    return rng.choice([number, " ".join(number[i : i + 4] for i in range(0, len(number), 4))])


def id_zh(rng: random.Random) -> str:
    body = fill(rng, "{110101|310104|440305|510107|330106}{19{5|6|7|8|9}#|200%}{0%|11}{0%|1#}###")
    number = next(body + c for c in "0123456789X" if checksums.is_chinese_id(body + c))
    return rng.choice([number, number, number.lower(), f"{number[:6]} {number[6:14]} {number[14:]}"])


def full_width(rng: random.Random) -> str:
    return mobile_zh(rng).translate(FULL_WIDTH)


EN: list[tuple[str, Maker, str]] = [
    ("email", email, "Please write to § about the refund.~My email is §, thanks~contact: §~Answered from § soon.~§"),
    ("phone", phone_us, "Call me at § after 6pm.~My number is §.~Text § to arrange delivery~Tel: §~§ drives~phone §"),
    ("phone", phone_uk, "Ring § if nobody is in.~mobile: §~They left a card with § on it."),
    ("phone", phone_world, "WhatsApp § for details~reach us on §~Great shop (§), would buy again"),
    ("card", card, "They charged § twice!~my card number is §~Visa § exp 04/27~paid with §"),
    ("iban", iban, "Refund to IBAN § please.~bank account §~§"),
    ("national_id", ssn, "They even asked for my SSN §!~social security number: §~SSN §"),
    ("passport", passport, "passport no. §~My passport number is §.~Passport: §"),
    ("messenger", wechat, "add me on WeChat: §~WeChat ID §~wechat id: § for photos~Telegram @§"),
    ("address", address_en, "Deliver to § please.~I live at §.~Shipping address: §~§~It was sent to § instead."),
]  # fmt: skip
ZH: list[tuple[str, Maker, str]] = [
    ("email", email, "请发邮件到§，谢谢~邮箱：§~我的邮箱§，有问题联系~§"),
    ("phone", mobile_zh, "电话§，送货前请联系~手机号：§~有问题打§找我~联系方式§~加我§，质量很好~§"),
    ("phone", full_width, "电话§~手机：§，请尽快发货"),
    ("phone", landline_zh, "客服电话：§~座机§没人接~售后§态度很差~请拨打§"),
    ("card", card, "退款到卡号§~银行卡：§~我的卡§被重复扣款"),
    ("national_id", id_zh, "身份证号：§~身份证§，实名认证不了~本人§，请尽快退款~§"),
    ("passport", passport, "护照号：§~护照§~护照号码 §"),
    ("messenger", wechat, "微信号：§~加微信§领红包~加V：§~wx:§~微信 § 备注衣服"),
    ("messenger", qq, "QQ：§~加QQ§看图~qq号 §~QQ群§"),
    ("address", address_zh, "住址：§~收货地址：§~请寄到§~我住在§，第二天就到了~快递送错了，应该是§~§"),
]  # fmt: skip
PLAIN_EN = templates(
    "Leather wallet model {A|B|X}###-####, %# cm", "Only $%##.%# instead of $%###.00", "EAN 40%##########, pack of %",
    "ISBN 978-%-##-######-#", "Order ###-#######-####### came on 2024-0%-1#", "order number 1########## still not here",
    "Firmware %.#.#### fixed it on 1#/0%/2023", "Size %# x %## x %## mm, %### g",
    "See https://shop.example.com/item/1##########?ref=########", "SKU ############ / part no. %##-###-####",
    "Sizes 36 38 40 42 44 46, ###### sold", "{500 GB External Hard|128 GB Flash|2 TB USB} Drive, % years of warranty",
    "%0000 mAh power bank, %# W, USB-C 3.2", "Bought % of these at amazon dot com, % stars",
    "Tracking number 1Z###AA1##########, came in % days", "1920x1080, 60 Hz, contrast %000000:1",
    "WeChat Pay and Alipay accepted, % % off until % May 2024", "Lego set %#### with %### pieces, ages %+",
    "10 Downing pattern mug, dishwasher safe, 3## ml, follow @brand", "Serial number 2############## is on the back",
    "Lovely quality, I would buy it again. Arrived on day %.", "Passport cover in leather, 1# x 1# cm",
    "Phone case for iPhone 1% Pro Max 256GB", "GTIN ############## lot ########## exp 2026-0%-1#",
    "icon@2x.png and logo@3x.png are in the zip, version v%.#.#", "Available at example.com, % colours, %## sold",
    "Call of Duty 20%#, rated %.# by %### players", "221 pieces, 1000 Park Avenue Collection, No. %##",
)  # fmt: skip
PLAIN_ZH = templates(
    "现价%##.%#元，原价%###元，已售%######件", "型号{A|B|X}########，尺寸%#*%##cm", "订单号1################# 没发货",
    "条码69###########，规格%##ml*%瓶", "快递单号 SF#############，三天就到了", "ISBN 978-7-####-####-#，2018年第%版",
    "2023年%月1#日购买，用了%#天", "5号电池%#节，7号线旁边的店也有", "版本号%.#.####，固件更新于2024.0%.1#",
    "电池容量%000毫安，快充%#W，重%##克", "支持微信支付，QQ音乐会员%个月，####积分", "货号 1##########，颜色分类 %号色",
    "产地浙江省杭州市，净含量%##克，保质期1%个月", "南京路步行街同款文化衫，做工精细，强烈推荐。",
    "链接 https://item.example.cn/############.html 已下架", "手机壳适用于1%Pro，防摔%米，内存256G",
    "身份证卡套、护照夹，%个装，尺寸%#x%##毫米", "执行标准GB/T %####-2018，批号2#######", "66号公路复古海报，%#厘米",
    "SKU：1#############，库存1###", "适合三室两厅，%层收纳盒，办公室%号桌", "路由器%000兆，%号频道，水路%号接口",
    "加微信群领券，满%00减%0", "联系客服改地址，当天就发货了",
)  # fmt: skip


def make(seed: int, n: int) -> list[Planted]:
    """Return n texts, half of them English, half of each with personal data."""
    rng, texts = random.Random(seed), []
    for index in range(n):
        kinds, plain_text = ((EN, PLAIN_EN), (ZH, PLAIN_ZH))[index % 2]
        plain = plain_text(rng)
        if index % 4 >= 2:
            texts.append(Planted(plain, ()))
            continue
        kind, maker, frames = rng.choice(kinds)
        secret = maker(rng)
        text = rng.choice(frames.split("~")).replace("§", secret)
        if rng.random() < 0.3:  # beside other numbers
            text = rng.choice([f"{plain}. {text}", f"{text}. {plain}"])
        texts.append(Planted(text, ((kind, secret),)))
    return texts
