"""Check digits of cards, bank accounts and national ids. Each function takes the number without separators."""

from __future__ import annotations

from datetime import date

CN_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
CN_PROVINCES = frozenset(  # first two digits
    map(
        str,
        [
            *range(11, 16),
            *range(21, 24),
            *range(31, 38),
            *range(41, 47),
            *range(50, 55),
            *range(61, 66),
            71,
            81,
            82,
            83,
        ],
    )
)
IBAN_LENGTHS = {
    "AD": 24, "AE": 23, "AL": 28, "AT": 20, "AZ": 28, "BA": 20, "BE": 16, "BG": 22, "BH": 22, "BR": 29, "BY": 28,
    "CH": 21, "CR": 22, "CY": 28, "CZ": 24, "DE": 22, "DK": 18, "DO": 28, "EE": 20, "EG": 29, "ES": 24, "FI": 18,
    "FO": 18, "FR": 27, "GB": 22, "GE": 22, "GI": 23, "GL": 18, "GR": 27, "GT": 28, "HR": 21, "HU": 28, "IE": 22,
    "IL": 23, "IQ": 23, "IS": 26, "IT": 27, "JO": 30, "KW": 30, "KZ": 20, "LB": 28, "LC": 32, "LI": 21, "LT": 20,
    "LU": 20, "LV": 21, "LY": 25, "MC": 27, "MD": 24, "ME": 22, "MK": 19, "MR": 27, "MT": 31, "MU": 30, "NL": 18,
    "NO": 15, "PK": 24, "PL": 28, "PS": 29, "PT": 25, "QA": 29, "RO": 24, "RS": 22, "SA": 24, "SC": 31, "SE": 24,
    "SI": 19, "SK": 24, "SM": 27, "ST": 25, "SV": 28, "TL": 23, "TN": 24, "TR": 26, "UA": 29, "VA": 22, "VG": 24,
    "XK": 20,
}  # fmt: skip
CARD_LENGTHS = (  # first digits of an issuer (from, to) -> lengths of its numbers
    ("34", "34", (15,)), ("37", "37", (15,)),  # American Express
    ("300", "305", (14, 16)), ("36", "36", (14, 16)), ("38", "39", (14, 16)),  # Diners Club
    ("3528", "3589", (16,)),  # JCB
    ("4", "4", (16, 19)),  # Visa
    ("51", "55", (16,)), ("2221", "2720", (16,)),  # Mastercard
    ("6011", "6011", (16, 19)), ("644", "649", (16, 19)), ("65", "65", (16, 19)),  # Discover
    ("62", "62", (16, 17, 18, 19)), ("81", "81", (16, 17, 18, 19)), ("60", "60", (16, 17, 18, 19)),  # UnionPay, RuPay
    ("5018", "5038", (16, 18, 19)), ("56", "58", (16, 17, 18, 19)), ("67", "67", (16, 17, 18, 19)),  # Maestro
    ("9", "9", (19,)), ("2200", "2204", (16, 19)),  # older Chinese debit cards, Mir
)  # fmt: skip


def has_luhn_digit(digits: str) -> bool:
    """Return whether the last digit is the Luhn check digit of the others."""
    total = 0
    for n, digit in enumerate(reversed(digits)):
        value = int(digit) * (1 + n % 2)
        total += value - 9 if value > 9 else value
    return total % 10 == 0


def is_card(digits: str) -> bool:
    """Return whether a payment card can have this number: an issuer's prefix and length, and the Luhn digit."""
    return (
        len(set(digits)) > 1
        and has_luhn_digit(digits)
        and any(
            first <= digits[: len(first)] <= last and len(digits) in lengths for first, last, lengths in CARD_LENGTHS
        )
    )


def is_iban(text: str) -> bool:
    """Return whether the text is an IBAN: its country's length, and the remainder 1 modulo 97 (ISO 13616)."""
    text = text.upper()
    if IBAN_LENGTHS.get(text[:2]) != len(text) or not text[2:4].isdigit():
        return False
    return int("".join(str(int(c, 36)) for c in text[4:] + text[:4])) % 97 == 1


def is_date(text: str) -> bool:
    """Return whether eight digits are a day since 1900."""
    try:
        return date(int(text[:4]), int(text[4:6]), int(text[6:8])) >= date(1900, 1, 1)
    except ValueError:
        return False


def may_be_chinese_id(text: str) -> bool:
    """Return whether 18 characters have the form of a Chinese resident id: province, day of birth; any check digit."""
    return len(text) == 18 and text[:2] in CN_PROVINCES and is_date(text[6:14])


def is_chinese_id(text: str) -> bool:
    """Return whether the text is a Chinese resident id (GB 11643): its form, and the check digit modulo 11."""
    if not may_be_chinese_id(text):
        return False
    total = sum(weight * int(digit) for weight, digit in zip(CN_WEIGHTS, text[:17], strict=True))
    return "10X98765432"[total % 11] == text[17].upper()


def is_hong_kong_id(text: str) -> bool:
    """Return whether the text is a Hong Kong identity number such as A1234563, with its check digit modulo 11."""
    letters = text[:-7].upper().rjust(2)
    values = [36 if c == " " else int(c, 36) for c in letters + text[-7:].upper()]
    return sum(weight * value for weight, value in zip(range(9, 0, -1), values, strict=True)) % 11 == 0


def is_korean_id(digits: str) -> bool:
    """Return whether 13 digits are a Korean registration number: the day of birth; its check digit is not required."""
    century = {"1": "19", "2": "19", "3": "20", "4": "20"}.get(digits[6], "")
    return is_date(century + digits[:6])


def is_brazilian_id(digits: str) -> bool:
    """Return whether 11 digits are a CPF: both check digits modulo 11."""
    for length in (9, 10):
        total = sum(int(d) * (length + 1 - n) for n, d in enumerate(digits[:length]))
        if int(digits[length]) != total * 10 % 11 % 10:
            return False
    return len(set(digits)) > 1
