"""Classify numbers as identity card, bank card or phone numbers.

Sources: GB 11643-1999 (identity cards), ISO/IEC 7812-1 (cards and Luhn's check digit), and the numbering plan of
China's Ministry of Industry and Information Technology (mobile 1[3-9], area codes 010, 02x and 03xx to 09xx).
"""

import re
from collections.abc import Sequence
from datetime import date
from typing import Literal

Kind = Literal["ID_CARD", "BANK_CARD", "PHONE"]

ID_CARD_DIGITS = 18
"""The digits of an identity card, including a final X."""

# Common groupings of the digits, as lengths of the groups.
_ID_CARD_SHAPES = {(18,), (6, 8, 4), (6, 4, 4, 4), (6, 4, 2, 2, 4), (3, 3, 4, 4, 4), (6, 12), (14, 4)}
_OLD_ID_CARD_SHAPES = {(15,), (6, 6, 3)}
_BANK_CARD_SHAPES = {
    *((digits,) for digits in range(13, 20)),
    *((6, rest) for rest in range(7, 14)),
    *((4, 4, 4, rest) for rest in (2, 3, 4)),
    *((4, 4, 4, 4, rest) for rest in (1, 2, 3)),
    (4, 6, 4),
    (4, 6, 5),
}
_MOBILE_SHAPES = {(3, 8), (3, 4, 4), (3, 3, 5), (4, 3, 4), (7, 4)}
_LOCAL_SHAPES = {(7,), (8,), (3, 4), (4, 4)}
_FIXED_SHAPES = {(area, *local) for area in (3, 4) for local in _LOCAL_SHAPES}
_FIXED_ABROAD_SHAPES = {(*zero, area, *local) for zero in ((), (1,)) for area in (2, 3) for local in _LOCAL_SHAPES}
_PHONE_SHAPES = {
    (11,),
    (12,),
    (13,),
    (15,),
    *_MOBILE_SHAPES,
    *_FIXED_SHAPES,
    *((code, *rest) for code in (2, 4) for rest in {(11,), *_MOBILE_SHAPES, *_FIXED_SHAPES, *_FIXED_ABROAD_SHAPES}),
}
SHAPES = frozenset(_ID_CARD_SHAPES | _OLD_ID_CARD_SHAPES | _BANK_CARD_SHAPES | _PHONE_SHAPES)
"""All groupings. A number with another one is not personal, except an identity card with a valid check digit."""

# GB/T 2260: the first two digits are the province; 81 to 83 are residence permits, 91 is abroad.
_PLACE = r"(?:1[1-5]|2[1-3]|3[1-7]|4[1-6]|5[0-4]|6[1-5]|71|8[1-3]|91)\d{4}"
_ID_CARD = re.compile(rf"{_PLACE}((?:1[89]|20)\d\d)(\d\d)(\d\d)\d{{3}}[\dX]")
_OLD_ID_CARD = re.compile(rf"{_PLACE}(\d\d)(\d\d)(\d\d)\d{{3}}")
_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
_CHECK_DIGITS = "10X98765432"

# The first digits of payment card issuers by the number's length: Visa 13; Diners 14; American Express 15.
_ISSUERS = {13: ("4",), 14: ("30", "36", "38", "39"), 15: ("34", "37")}
_LONGER_ISSUERS = ("2", "3", "4", "5", "6", "8", "9")
_BEGINS_WITH_DATE = re.compile(r"20\d\d(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])")
_DOUBLED = str.maketrans("0123456789", "0246813579")

_MOBILE = r"1[3-9]\d{9}"
_AREA = r"(?:10|2\d|[3-9]\d\d)"
# Codes of two digits have local numbers of eight; ten digits in a row may be an ISBN.
_UNBROKEN_PHONE = re.compile(rf"(?:(?:00)?86)?{_MOBILE}|0(?:10|2\d)\d{{8}}|0[3-9]\d{{9,10}}")
_GROUPED_PHONE = re.compile(rf"{_MOBILE}|0{_AREA}\d{{7,8}}|(?:00)?86(?:{_MOBILE}|0?{_AREA}\d{{7,8}})")


def classify(groups: Sequence[str]) -> Kind | None:
    """Return the kind of a personal number, else None.

    Args:
        groups: the groups of its digits; the last may end in X.
    """
    shape, digits = tuple(map(len, groups)), "".join(groups)
    if len(digits) == ID_CARD_DIGITS and (match := _ID_CARD.fullmatch(digits)) and _is_date(*match.groups()):
        if _has_check_digit(digits):
            return "ID_CARD"
        if shape in _ID_CARD_SHAPES:
            return None
    if shape in _OLD_ID_CARD_SHAPES and (match := _OLD_ID_CARD.fullmatch(digits)):
        year, month, day = match.groups()
        if _is_date(f"19{year}", month, day):
            return "ID_CARD"
    if digits.endswith("X"):
        return None
    if shape in _BANK_CARD_SHAPES and _is_bank_card(digits):
        return "BANK_CARD"
    phone = _UNBROKEN_PHONE if len(groups) == 1 else _GROUPED_PHONE
    return "PHONE" if shape in _PHONE_SHAPES and phone.fullmatch(digits) else None


def _is_date(year: str, month: str, day: str) -> bool:
    try:
        date(int(year), int(month), int(day))
    except ValueError:
        return False
    return True


def _has_check_digit(digits: str) -> bool:
    total = sum(weight * int(digit) for weight, digit in zip(_WEIGHTS, digits, strict=False))
    return digits[17] == _CHECK_DIGITS[total % 11]


def _is_bank_card(digits: str) -> bool:
    """Check prefix and Luhn digit.

    Order numbers, which often begin with a date, are excluded.
    """
    if not digits.startswith(_ISSUERS.get(len(digits), _LONGER_ISSUERS)) or _BEGINS_WITH_DATE.match(digits):
        return False
    return sum(map(int, digits[-1::-2] + digits[-2::-2].translate(_DOUBLED))) % 10 == 0
