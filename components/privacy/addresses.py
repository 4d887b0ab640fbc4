"""Postal addresses in English: a street with its number, and what only an address has beside it."""

from __future__ import annotations

import re
from collections.abc import Iterator

from components.privacy.chinese_addresses import find_chinese_addresses
from components.privacy.context import Span, find_urls

WINDOW = 40  # characters before a street that may say that somebody lives there
_STRONG = "Street|St|Avenue|Ave|Road|Rd|Boulevard|Blvd|Lane|Ln"
STREET_WORDS = (  # last words of the names of streets
    f"{_STRONG}|Drive|Dr|Court|Ct|Way|Place|Pl|Terrace|Ter|Circle|Cir|Highway|Hwy|Parkway|Pkwy|Square|Sq|Close|Crescent"
    "|Cres|Gardens|Gdns|Grove|Mews|Row|Hill|Broadway|Trail|Walk|Loop|Plaza|Alley|Quay|Green|Park|Rise|View|Path"
)
_COMPASS = "(?:N|S|E|W|NE|NW|SE|SW|North|South|East|West)"
_WORD = r"(?:[A-Z][A-Za-z'\u2019.-]*|\d{1,3}(?:st|nd|rd|th)|of|the|and)"
_UNIT = "(?:Apt|Apartment|Unit|Suite|Ste|Flat|Floor|Fl|Room|Rm|Bldg|Building|Block|Tower|#)"
_UNIT_PART = (
    rf"(?:,?\s*(?i:(?:\d{{1,3}}(?:st|nd|rd|th)\s+Floor)|{_UNIT}\.?\s*#?\s*[A-Za-z]?-?\d{{0,5}}[A-Za-z]?(?![A-Za-z])))"
)
_STATES = (
    "(?:AL|AK|AZ|AR|CA|CO|CT|DE|FL|GA|HI|ID|IL|IN|IA|KS|KY|LA|ME|MD|MA|MI|MN|MS|MO|MT|NE|NV|NH|NJ|NM|NY|NC|ND|OH|OK|OR"
    "|PA|RI|SC|SD|TN|TX|UT|VT|VA|WA|WV|WI|WY|DC|PR"
    "|A[lkzr]|C[aot]|De|Fl|Ga|Hi|I[dla]|K[sy]|M[eda-no]|N[evhjmycd]|O[hkr]|Pa|Ri|S[cd]|T[nx]|Ut|V[ta]|W[avy]"
    "|Alabama|Alaska|Arizona|Arkansas|California|Colorado|Connecticut|Delaware|Florida|Georgia|Hawaii|Idaho|Illinois"
    "|Indiana|Iowa|Kansas|Kentucky|Louisiana|Maine|Maryland|Massachusetts|Michigan|Minnesota|Mississippi|Missouri"
    "|Montana|Nebraska|Nevada|New (?:Hampshire|Jersey|Mexico|York)|(?:North|South) (?:Carolina|Dakota)|Ohio|Oklahoma"
    "|Oregon|Pennsylvania|Rhode Island|Tennessee|Texas|Utah|Vermont|(?:West )?Virginia|Washington|Wisconsin|Wyoming)"
)
_ZIP = r"\d{5}(?:-\d{4})?(?!\d)"
_CITY = r"[A-Z][A-Za-z.'-]+(?:\s[A-Z][A-Za-z.'-]+){0,3}"
_UK_AREAS = (
    "AB|AL|B|BA|BB|BD|BH|BL|BN|BR|BS|BT|CA|CB|CF|CH|CM|CO|CR|CT|CV|CW|DA|DD|DE|DG|DH|DL|DN|DT|DY|E|EC|EH|EN|EX|FK|FY|G"
    "|GL|GU|HA|HD|HG|HP|HR|HS|HU|HX|IG|IP|IV|KA|KT|KW|KY|L|LA|LD|LE|LL|LN|LS|LU|M|ME|MK|ML|N|NE|NG|NN|NP|NR|NW|OL|OX|PA"
    "|PE|PH|PL|PO|PR|RG|RH|RM|S|SA|SE|SG|SK|SL|SM|SN|SO|SP|SR|SS|ST|SW|SY|TA|TD|TF|TN|TQ|TR|TS|TW|UB|W|WA|WC|WD|WF|WN"
    "|WR|WS|WV|YO|ZE"
)
_UK = (  # a postcode; not a size, such as "S5 2XL"
    rf"(?:{_UK_AREAS})\d(?:\d|[A-HJKPSTUW])?\s\d(?!LB|XL|FT|YD|GB|TB|PR|PT|QT)[ABD-HJLNP-UW-Z]{{2}}(?![A-Za-z0-9])"
)
_CANADA = r"[ABCEGHJ-NPRSTVXY]\d[A-Z][ -]?\d[A-Z]\d(?![A-Za-z0-9])"
_TOWN_PART = (
    rf"(?:(?:,|\.|\s-)?\s*(?:{_CITY},?\s+)?{_STATES},?\s+{_ZIP}"
    rf"|(?:,?\s*{_CITY}){{0,3}},?\s*(?:{_UK}|{_CANADA})"
    rf"|(?:,\s*{_CITY}){{1,4}},?\s+{_STATES}(?![A-Za-z])(?:,?\s*{_ZIP})?"
    rf"|(?:,\s*{_CITY}){{1,4}},?\s+\d{{4,6}}(?!\d)"
    rf"|(?:,\s*{_CITY}\s(?:District|Province|City|County)){{1,3}}(?:,\s*{_CITY}){{0,2}}(?:,?\s*\d{{6}}(?!\d))?)"
)
_STREET = re.compile(
    rf"(?<![A-Za-z0-9#$.,/-])(?P<lead>(?:{_UNIT}\.?\s*#?\s*[A-Za-z]?\d{{0,5}}[A-Za-z]?,\s*){{0,3}}(?:No\.?\s*)?)"
    rf"(?P<number>\d{{1,6}}(?:-\d{{1,4}})?[A-Za-z]?)(?:\s?1/2)?,?\s+(?:{_COMPASS}\.?\s+)?(?P<name>(?:{_WORD}\s+){{1,4}}?)"
    rf"(?P<suffix>{STREET_WORDS})(?![A-Za-z'])\.?(?:\s{_COMPASS}(?![A-Za-z]))?"
    rf"(?P<unit>{_UNIT_PART}{{1,2}})?(?P<town>{_TOWN_PART})?",
    re.ASCII,
)
_WITHOUT_CAPITALS = re.compile(
    rf"(?<![A-Za-z0-9#$.,/-])(?:(?:flat|apt|unit)\s+[a-z]?\d{{1,4}}[a-z]?,?\s+)?"
    rf"\d{{1,6}}[a-z]?\s+(?:(?:[a-z'.-]+|\d{{1,3}}(?:st|nd|rd|th))\s+){{1,4}}?(?:{STREET_WORDS})\.?,?\s+"
    r"(?:(?:apt|unit|suite|ste|flat|#)\.?\s*[a-z]?\d{1,5}[a-z]?,?\s+)?"
    rf"(?:[a-z.'-]+,?\s+){{1,4}}?(?:{_STATES},?\s+{_ZIP}|{_UK})",
    re.ASCII | re.IGNORECASE,
)
_OTHERS = (
    _WITHOUT_CAPITALS,
    re.compile(rf"(?<![A-Za-z])P\.?\s?O\.?\s?Box\s+#?\d{{1,6}}(?:{_TOWN_PART})?", re.ASCII | re.IGNORECASE),
    re.compile(rf"(?<![A-Za-z]){_CITY},\s?{_STATES},?\s+{_ZIP}", re.ASCII),
    re.compile(rf"(?<![A-Za-z0-9-])(?:(?:{_CITY}),?\s)?{_UK}", re.ASCII),
)
_TITLE_GOES_ON = re.compile(r"\s+[A-Z0-9]|-")
_TOWN_AT_END = re.compile(rf",\s{_CITY}(?=[.;!]|$)", re.ASCII)
_MOVES = "(?:ship|shipped|send|sent|deliver|delivered|mail|mailed|return|returned|post|posted|forward)"
_LIVES = "(?:live|lives|living|lived|reside|resides|residing|located|moved|staying|stay)"
_LEAD_WORD = re.compile(
    rf"(?:address(?:\s+(?:is|was|at|to))?|{_LIVES}\s+(?:at|in|on|to)"
    rf"|{_MOVES}(?:\s+(?:it|them|this|that|the\s+\w+|to\s+me|my\s+\w+))?\s+(?:to|at)"
    r"|my\s+(?:house|home|place|apartment)\s+(?:is\s+)?(?:at|on)|home\s+(?:is\s+)?at|office\s+at"
    r"|(?:come|drop\s+(?:it|off)|pick\s*up)\s+(?:to|at|by)|地址|住在|寄到)\s*[:,-]?\s*$",
    re.ASCII | re.IGNORECASE,
)
_PRODUCT = re.compile(
    r"\b(?:GB|TB|MB|Hard|Flash|USB|Disk|Piece|Pack|Set|Inch|Port|Bay|Hour|Mile|Minute|Count|Pcs|Step|Off|Collection)\b"
)


def find_addresses(text: str) -> Iterator[Span]:
    """Yield postal addresses, Chinese ones too.

    A street with its number is one where a flat, a town, a postcode or "I live at" stands beside it; without them only
    where nothing follows that looks like the title of a product.
    """
    if not text.isascii():
        yield from find_chinese_addresses(text)
    for match in _STREET.finditer(text):
        if _PRODUCT.search(match["name"]):
            continue
        before = text[max(0, match.start() - WINDOW) : match.start()]
        has_two_digits = len(match["number"]) > 1
        town = _TOWN_AT_END.match(text, match.end())
        is_strong = re.fullmatch(_STRONG, match["suffix"]) and not _TITLE_GOES_ON.match(text, match.end())
        if match["unit"] or match["town"] or match["lead"] or _LEAD_WORD.search(before):
            yield Span(*match.span())
        elif has_two_digits and (town or is_strong):
            yield Span(match.start(), town.end() if town else match.end())
    urls = find_urls(text)
    for pattern in _OTHERS:
        for match in pattern.finditer(text):
            if not any(url.start <= match.start() < url.end for url in urls):
                yield Span(*match.span())
