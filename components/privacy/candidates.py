"""Patterns that a text with personal data matches; DuckDB's RE2 and Python read them alike.

They are fast and let ordinary texts with numbers through, too; masking.py decides about those. As one pattern they have
so many states that RE2 takes ten times as long.
"""

from components.params import PersonalData
from components.privacy.addresses import STREET_WORDS

_DIGIT = "[0-9０-９]"
_HOUSE_NUMBER = "[0-9０-９零〇一二三四五六七八九十百千]"
_SEPARATOR = "[ .()/\u2010-\u2015\u2212\u3000（）－．／・•-]"
_SERVICES = (
    "we ?chat|weixin|微 ?信|威信|薇信|v ?信|wx|vx|[qｑＱ] ?[qｑＱ]|扣 ?扣|企鹅|加 ?[qv]|[+＋]v|v号?[:：]|q[群号:：]"
    "|telegram|t\\.me|tg ?[:：@]|ig ?[:：@]|line(?: ?id|[:：])|skype|kakao|instagram|snapchat|discord|whats ?app"
)
_PROVIDERS = "qq|163|126|gmail|hotmail|outlook|foxmail|sina"
_FLOORS = "号|弄|栋|幢|座|单元|室|户|组|楼|层|房"
_LONG_NUMBER = rf"{_DIGIT}(?:{_SEPARATOR}{{0,4}}{_DIGIT}){{6}}"  # seven digits
GATES: dict[PersonalData, str] = {
    "email": (
        r"[@＠]|艾特|(?i:[(\[{<] ?(?:at|a) ?[)\]}>]| at [^ ]+ ?(?:dot |\.|点|[(\[]))"
        rf"|[#＃*](?i:{_PROVIDERS})\.com"
    ),
    "phone": f"{_LONG_NUMBER}|[〇零一二三四五六七八九幺]{{4}}",
    "card": _LONG_NUMBER,
    "iban": _LONG_NUMBER,
    "national_id": (
        rf"{_LONG_NUMBER}|(?i:[a-z]{{2}} ?[0-9]{{2}}[ -]?[0-9]{{2}}[ -]?[0-9]{{2}}[ -]?[a-d])"
        "|[A-Z]{6}[0-9]{2}[A-Z][0-9]{2}[A-Z]|[A-Z][0-9]{6}[(（]"
        rf"|(?i:(?:^|[^a-z])(?:dni|nie|nif|pan)[^a-z0-9][^,;]{{0,9}}[a-z0-9]{{7}}|licen[sc]e|驾驶证|驾照)[^,，。;；]{{0,24}}{_DIGIT}"
    ),
    "passport": rf"(?i:passport|护照|護照|通行证|passeport|reisepass)[^,，。;；]{{0,24}}{_DIGIT}",
    "messenger": rf"(?i:{_SERVICES})[^,，。;；]{{0,24}}[0-9A-Za-z０-９]",
    "address": (
        f"[路街巷弄道同段区镇村苑府园厦寓家舍社场中栋幢座元楼层号].{{0,3}}{_HOUSE_NUMBER}"
        f"[-A-Z0-9０-９零〇一二三四五六七八九十百千]* ?(?:{_FLOORS})|地址|住址|住所|家住|住在|寄到|寄往|寄至|送到|送至"
        rf"|[A-Za-z]{{2}},? {_DIGIT}{{5}}|(?i:[a-z][0-9][0-9a-z]? [0-9][a-z]{{2}}(?:[^a-z0-9]|$))"
    ),
}
_STREETS = rf"{_DIGIT}[A-Za-z]?,? (?:[^ ]+ ){{1,5}}(?:{STREET_WORDS})(?:[^A-Za-z]|$)|(?i:p\.? ?o\.? ?box) "
CANDIDATES = ("|".join(dict.fromkeys(GATES.values())), _STREETS)
GATES["address"] += f"|{_STREETS}"
