"""Mask personal data in texts.

E-mail addresses, identity cards, bank cards, phone numbers (``personal_numbers``) and the house numbers of addresses
are replaced by their kind, such as ``[PHONE]``. Digits may be full-width, with the usual spaces, hyphens, dots and
brackets between them. Names, streets and numbers that only look similar, for example with a wrong check digit, are not
masked.

The package phonenumbers 9.0.43 is not accurate enough: of the tests' texts it masks 36 of the 42 with phone numbers
alone correctly, and a part of 12 of the 71 without personal data.

The time is linear in the text's length: no pattern starts twice in a run of characters, and backtracking is bounded.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

from deploy.gateway.log.personal_numbers import ID_CARD_DIGITS, SHAPES, Kind, classify

# Each replacement is one character, so that positions stay the same.
_PLAIN = {
    **{
        chr(full): chr(full - 0xFEE0)
        for full in range(0xFF01, 0xFF5F)
        if chr(full - 0xFEE0) in "+-.()@_%" or chr(full).isalnum()
    },
    **dict.fromkeys("\u00a0\u2002\u2003\u2009\u202f\u3000", " "),
    **dict.fromkeys("\u2010\u2011\u2012\u2013\u2014\u2212", "-"),
}
_NOT_PLAIN = re.compile(f"[{''.join(_PLAIN)}]")
_HIDDEN = "\0"

_MAY_BE_PERSONAL = re.compile(r"[0-9@０-９＠]")

# RFC 5321: 64 characters before the @. The domain ends in letters, since name@1.2.3 is a package and its version.
# A label of a domain is either ASCII or not, so that a Chinese word after an address is not part of it.
_EMAIL = re.compile(
    r"(?<![A-Za-z0-9._%+-])[A-Za-z0-9._%+-]{1,64}@"
    r"(?:(?:[A-Za-z0-9-]{1,63}|[^\W\x00-\x7f]{1,63})\.){1,8}(?:[A-Za-z]{2,24}|中国|公司|网络)"
)

_DIGITS = re.compile(r"[0-9]+(?:[Xx](?![0-9A-Za-z]))?")
_BETWEEN = re.compile(r"[ \t()-]{1,3}|\.")
_MOST_GROUPS = max(map(len, SHAPES))
_DECIMALS_BEFORE = re.compile(r"[0-9]\.$")
_NOUGHT_BEFORE = re.compile(r"(?<![0-9])0\.$")
_DECIMALS_AFTER = re.compile(r"\.[0-9]{2,10}(?:(?!\w)| ?[万亿]?元)")  # but not 13812345678.3点
_LIST_NUMBER = re.compile(r"(?<![0-9.])([1-9][0-9]?)\.")
_CURRENCY = re.compile(r"[¥￥$€£]\s?$")
_AMOUNT = re.compile(r"\s?[万亿]?元(?:[整钱]|(?!\w))")  # not 元旦, not a surname

# 中关村大街27号, 人民路5弄3号楼2单元1202室, and without a street 3栋2单元502; but 北京路2号线 is a metro line.
_HOUSE = r"[A-Z]?[0-9]{1,5}[A-Z]?(?:-[0-9]{1,4}){0,3} ?"
_PART = rf"(?:{_HOUSE}|[A-Z](?=[座栋幢]))(?:号[楼院]?|弄|栋|幢|座|单元|楼|层|室|户|组) ?"
_STREET = r"(?:(?<=[^0-9公铁线电道思]路)|(?<=[街巷弄村苑])|(?<=胡同)|(?<=大道)|(?<=小区)|(?<=花园)|(?<=公寓)|(?<=大厦))"
_FLAT = rf"{_HOUSE}单元 ?(?:{_HOUSE}[楼层] ?)?[0-9]{{2,5}}[室户号]?|(?:{_HOUSE}[楼层] ?)?[0-9]{{2,5}}[室户]"
_IN_ADDRESS = re.compile(r"[0-9A-Z] ?[号弄栋幢座单楼层室户组]")
_ADDRESS = re.compile(
    rf"{_STREET} ?(?:{_PART}){{1,5}}(?!线)(?:(?<=[元楼栋幢座层])[0-9]{{3,5}})?"
    rf"|(?<![0-9A-Za-z-]){_HOUSE}(?:号楼|栋|幢|座) ?(?:{_FLAT})"
)


class _Span(NamedTuple):
    start: int
    end: int
    kind: str


def redact(text: str) -> str:
    """Mask personal data.

    All other characters, including ``[MASK]``, are unchanged.
    """
    if not _MAY_BE_PERSONAL.search(text):
        return text
    normal = _NOT_PLAIN.sub(lambda match: _PLAIN[match[0]], text)
    found: list[_Span] = []
    for search in (_emails, _numbers, _addresses):
        spans = list(search(normal))
        normal = _replace(normal, spans, lambda span: _HIDDEN * (span.end - span.start))
        found += spans
    return _replace(text, sorted(found), lambda span: f"[{span.kind}]")


def _replace(text: str, spans: Iterable[_Span], replacement: Callable[[_Span], str]) -> str:
    pieces, end = [], 0
    for span in spans:
        pieces += [text[end : span.start], replacement(span)]
        end = span.end
    return "".join([*pieces, text[end:]])


def _emails(text: str) -> Iterator[_Span]:
    return (_Span(*match.span(), "EMAIL") for match in _EMAIL.finditer(text))


def _addresses(text: str) -> Iterator[_Span]:
    if _IN_ADDRESS.search(text):
        yield from (_Span(*match.span(), "ADDRESS") for match in _ADDRESS.finditer(text))


def _numbers(text: str) -> Iterator[_Span]:
    """Yield the numbers.

    Adjacent groups of digits may form one number; the longest match is tried first.
    """
    groups = [match.span() for match in _DIGITS.finditer(text)]
    lengths = tuple(end - start for start, end in groups)
    linked = [bool(_BETWEEN.fullmatch(text, left[1], right[0])) for left, right in pairwise(groups)] + [False]
    listed = _ends_of_list_numbers(text) if "1." in text else frozenset[int]()
    first = 0
    while first < len(groups):
        for end in _ends(lengths, linked, first):
            if span := _number(text, groups[first:end], listed):
                yield span
                first = end
                break
        else:
            first += 1


def _ends(lengths: Sequence[int], linked: Sequence[bool], first: int) -> Sequence[int]:
    """Return the possible ends of a number.

    ``first`` is the index of its first group. Identity cards may have any grouping.
    """
    if not linked[first]:  # the most frequent case
        return (first + 1,) if (lengths[first],) in SHAPES else ()
    last, digits = first, lengths[first]
    while linked[last] and digits < ID_CARD_DIGITS:
        last += 1
        digits += lengths[last]
    ends = [end for end in range(min(last + 1, first + _MOST_GROUPS), first, -1) if lengths[first:end] in SHAPES]
    return [last + 1, *ends] if digits == ID_CARD_DIGITS else ends


def _ends_of_list_numbers(text: str) -> frozenset[int]:
    """Return the ends of list numbers.

    They are 1. and its successors; any other dot may be a decimal point.
    """
    ends, following = [], 1
    for match in _LIST_NUMBER.finditer(text):
        number = int(match[1])
        if number in {1, following}:
            ends.append(match.end())
            following = number + 1
    return frozenset(ends)


def _number(text: str, groups: Sequence[tuple[int, int]], listed: frozenset[int]) -> _Span | None:
    """Return the span of a personal number.

    It includes a plus sign or bracket before the digits.
    """
    start, end = groups[0][0], groups[-1][1]
    kind = classify([text[left:right].upper() for left, right in groups])
    if kind is None or _is_quantity(text, groups, kind, listed):
        return None
    if text.endswith("+", 0, start):
        start -= 1
    if text.endswith("(", 0, start) and text.find(")", start, end) > text.find("(", start, end):
        start -= 1
    return _Span(start, end, kind)


def _is_quantity(text: str, groups: Sequence[tuple[int, int]], kind: Kind, listed: frozenset[int]) -> bool:
    """Return whether a number is a decimal or an amount.

    An amount has a currency. Numbers with check digits rarely are either.
    """
    start, end = groups[0][0], groups[-1][1]
    if kind == "ID_CARD" and sum(right - left for left, right in groups) == ID_CARD_DIGITS:
        return False
    if _NOUGHT_BEFORE.search(text, max(0, start - 3), start) or (len(groups) == 2 and text[groups[0][1]] == "."):
        return True
    if kind == "BANK_CARD":
        return False
    if _DECIMALS_BEFORE.search(text, max(0, start - 2), start) and start not in listed:
        return True
    return bool(_DECIMALS_AFTER.match(text, end)) or (kind == "PHONE" and _is_amount(text, start, end))


def _is_amount(text: str, start: int, end: int) -> bool:
    return bool(_CURRENCY.search(text, max(0, start - 2), start) or _AMOUNT.match(text, end))
