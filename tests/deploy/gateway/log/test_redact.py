"""Test that personal data is masked and similar text is not."""

import random
import time
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploy.gateway.log.redact import redact

PERSONAL = [
    # identity cards: the two examples of GB 11643-1999, written as people write them
    ("身份证11010519491231002X已核实", "身份证[ID_CARD]已核实"),
    ("身份证11010519491231002x。", "身份证[ID_CARD]。"),
    ("440524188001010014", "[ID_CARD]"),
    ("110105 19491231 002X", "[ID_CARD]"),
    ("110105-19491231-002X", "[ID_CARD]"),
    ("１１０１０５１９４９１２３１００２Ｘ", "[ID_CARD]"),
    ("ID:440524188001010014,", "ID:[ID_CARD],"),
    ("老身份证110105491231002号", "老身份证[ID_CARD]号"),
    ("两张:11010519491231002X和440524188001010014", "两张:[ID_CARD]和[ID_CARD]"),
    ("1101 0519 4912 3100 03", "[ID_CARD]"),
    ("110105 194912 310003", "[ID_CARD]"),
    ("1101 0519 4912 310003", "[ID_CARD]"),
    ("1101-0519-4912-3100-2X", "[ID_CARD]"),
    ("4 4 0 5 2 4 1 8 8 0 0 1 0 1 0 0 1 4", "[ID_CARD]"),
    ("1.11010519491231002X", "1.[ID_CARD]"),
    ("5.11010519491231002X", "5.[ID_CARD]"),
    ("11010519491231002X.5", "[ID_CARD].5"),
    # phones
    ("电话13812345678", "电话[PHONE]"),
    ("电话：１３８１２３４５６７８。", "电话：[PHONE]。"),
    ("138 1234 5678", "[PHONE]"),
    ("138-1234-5678", "[PHONE]"),
    ("138－1234－5678", "[PHONE]"),
    ("138\u30001234\u30005678", "[PHONE]"),
    ("+8613812345678", "[PHONE]"),
    ("+86 138 1234 5678", "[PHONE]"),
    ("+86-13812345678", "[PHONE]"),
    ("(+86)13812345678", "[PHONE]"),
    ("（+86）138 1234 5678", "[PHONE]"),
    ("0086 13812345678", "[PHONE]"),
    ("8613812345678", "[PHONE]"),
    ("tel13812345678", "tel[PHONE]"),
    ("19912345678", "[PHONE]"),
    ("13812345678,13912345678", "[PHONE],[PHONE]"),
    ("13812345678 13912345678", "[PHONE] [PHONE]"),
    ("13812345678-13912345678", "[PHONE]-[PHONE]"),
    ("致电13812345678.谢谢", "致电[PHONE].谢谢"),
    ("010-12345678", "[PHONE]"),
    ("010 6234 5678", "[PHONE]"),
    ("(010)62345678", "[PHONE]"),
    ("（0571）8888 8888", "[PHONE]"),
    ("0571-8888888", "[PHONE]"),
    ("01062345678", "[PHONE]"),
    ("057188888888", "[PHONE]"),
    ("010-62345678-8012", "[PHONE]-8012"),
    ("0571-88888888转5", "[PHONE]转5"),
    ("+86 10 6234 5678", "[PHONE]"),
    ("+86 (0)10 6234 5678", "[PHONE]"),
    ("010-62345678 万先生", "[PHONE] 万先生"),
    ("联系人13812345678 万先生", "联系人[PHONE] 万先生"),
    ("请打13812345678万经理", "请打[PHONE]万经理"),
    ("电话13812345678元旦快[MASK]", "电话[PHONE]元旦快[MASK]"),
    ("电话13812345678 元旦快[MASK]", "电话[PHONE] 元旦快[MASK]"),
    ("1.13812345678；2.13912345678", "1.[PHONE]；2.[PHONE]"),
    ("1.姓名 2.13812345678", "1.姓名 2.[PHONE]"),
    ("１．13812345678", "１．[PHONE]"),
    ("电话13812345678.3点", "电话[PHONE].3点"),
    ("138\t1234\t5678", "[PHONE]"),
    ("138.1234.5678", "[PHONE]"),
    ("+86.138.1234.5678", "[PHONE]"),
    # bank cards: the numbers that payment services publish for tests
    ("卡号4111111111111111", "卡号[BANK_CARD]"),
    ("4111 1111 1111 1111", "[BANK_CARD]"),
    ("4111-1111-1111-1111", "[BANK_CARD]"),
    ("5555555555554444", "[BANK_CARD]"),
    ("6200000000000005", "[BANK_CARD]"),
    ("6205500000000000004", "[BANK_CARD]"),
    ("6205 5000 0000 0000 004", "[BANK_CARD]"),
    ("620550 0000000000004", "[BANK_CARD]"),
    ("378282246310005", "[BANK_CARD]"),
    ("3782 822463 10005", "[BANK_CARD]"),
    ("30569309025904", "[BANK_CARD]"),
    ("4222222222222", "[BANK_CARD]"),
    ("４１１１ １１１１ １１１１ １１１１", "[BANK_CARD]"),
    ("1.6222020200112230", "1.[BANK_CARD]"),
    ("7.6222020200112230", "7.[BANK_CARD]"),
    ("4111.1111.1111.1111", "[BANK_CARD]"),
    # e-mail
    ("写信给zhang.san+news@mail.example.com.cn吧", "写信给[EMAIL]吧"),
    ("13812345678@qq.com", "[EMAIL]"),
    ("ａｂｃ＠ｑｑ．ｃｏｍ", "[EMAIL]"),
    ("<a@b.cn>, c_d@e-f.org.", "<[EMAIL]>, [EMAIL]."),
    ("发给zhang.san@公司.com吧", "发给[EMAIL]吧"),
    ("zhang.san@公司.中国", "[EMAIL]"),
    ("发给a@qq.com吧，见b.cn", "发给[EMAIL]吧，见b.cn"),
    # numbers of addresses
    ("中关村大街27号", "中关村大街[ADDRESS]"),
    ("人民路5弄3号楼2单元1202室", "人民路[ADDRESS]"),
    ("人民路１２３号", "人民路[ADDRESS]"),
    ("幸福小区3号楼2单元502", "幸福小区[ADDRESS]"),
    ("住3栋2单元502", "住[ADDRESS]"),
    ("住12号楼1202室", "住[ADDRESS]"),
    ("建国大道88号A座1101室", "建国大道[ADDRESS]"),
    # together, longest first
    (
        "张三，13812345678，11010519491231002X，zs@x.cn，卡4111111111111111，长安街1号[MASK]",
        "张三，[PHONE]，[ID_CARD]，[EMAIL]，卡[BANK_CARD]，长安街[ADDRESS][MASK]",
    ),
]

NOT_PERSONAL = [
    "中国的首[MASK]是北京。",
    "[MASK][MASK]@[MASK]",
    "138[MASK]12345678",
    "110105194912310021",  # the check digit is X
    "11010519491331002X",  # there is no month 13
    "99010519491231002X",  # there is no province 99
    "110105491331002",  # likewise in the older form
    "4405 2418 8001 0100 15",  # the check digit is 4, however it is grouped
    "110105 194913 310003",
    "4111111111111112",  # fails Luhn
    "4111 1111 1111 1112",
    "6200000000000000",
    "订单号20260405123456789",
    "订单号2026040512345002",  # passes Luhn, too
    "订单号2026040512345678901234",
    "订单DD12345678901234567890",
    "2026-04-05",
    "2026-04-05 2026-04-06",
    "2026年4月5日10时23分",
    "20260405",
    "2026-04-05 10:23:45.123",
    "1949-10-01 100人",
    "1775384625123",  # milliseconds since 1970
    "1998、1999、2000年",
    "2019-2026年",
    "¥13812345678",
    "￥ 13812345678",
    "共13812345678元",
    "1,381,234,567.89元",
    "共13812345678元，已付",
    "共13812345678 元整",
    "共138123456789元旦",  # one digit too many for a phone
    "13812345678.50元",
    "13812345678.55万元",
    "0.6222020200112230",  # passes Luhn
    "138.12345678",
    "1381234.5678",
    "共2.13812345678",  # no list begins with 2
    "13812345678.50",
    "3.13812345678",
    "圆周率3.14159265358979323846",
    "9787302123453",  # ISBN-13
    "978-7-302-12345-3",
    "9787111407010",  # ISBN-13 that passes Luhn, too
    "7302123451",
    "0201633612",
    "0-306-40615-2",
    "版本1.2.3和10.15.7",
    "react@18.2.0",
    "user@localhost",
    "@所有人",
    "192.168.100.200",
    "12345678901",  # 12 begins no mobile number
    "138123456789",  # one digit too many
    "1381234567",  # one too few
    "100000000000000000000000",
    "邮编100084",
    "010",
    "第13812章",
    "北京路2号线",
    "铁路1号线",
    "5路3号车",
    "10月5号",
    "3座2层小楼",
    "3号线换10号线",
    "550e8400-e29b-41d4-a716-446655440000",
    "车牌京A12345",
    "0.618",
    "50%",
    "",
    "没有数字",
]


@pytest.mark.parametrize(("text", "masked"), PERSONAL)
def test_personal_data_is_replaced_by_its_kind(text: str, masked: str) -> None:
    assert redact(text) == masked


@pytest.mark.parametrize("text", NOT_PERSONAL)
def test_what_only_looks_like_it_stays(text: str) -> None:
    assert redact(text) == text


def with_check_digit(first: str) -> str:
    """Return the identity card of 17 digits, by GB 11643's definition: the weighted sum is 1 modulo 11."""
    total = sum(int(digit) * 2 ** (17 - place) for place, digit in enumerate(first))
    check = (1 - total) % 11
    return first + ("X" if check == 10 else str(check))


@given(
    region=st.sampled_from(["110105", "310104", "440524", "510107", "650102", "810000"]),
    born=st.dates(min_value=date(1900, 1, 1), max_value=date(2099, 12, 31)),
    order=st.integers(0, 999),
    wrong=st.integers(1, 10),
)
def test_an_identity_card_is_masked_by_its_check_digit_alone(region: str, born: date, order: int, wrong: int) -> None:
    card = with_check_digit(f"{region}{born:%Y%m%d}{order:03}")
    other = "0123456789X"[("0123456789X".index(card[-1]) + wrong) % 11]
    assert redact(f"他的证件是{card}。") == "他的证件是[ID_CARD]。"
    assert redact(f"他的证件是{card[:-1]}{other}。") == f"他的证件是{card[:-1]}{other}。"


@given(st.text(alphabet="0123456789１２３＠@.-+() ()xX元路号室[MASK]a中，\n\0"))
def test_text_keeps_what_is_not_masked(text: str) -> None:
    masked = redact(text)
    assert redact(masked) == masked
    if masked == text:
        return
    assert masked.count("[MASK]") == text.count("[MASK]")


@pytest.mark.parametrize(
    "hostile",
    [
        "1" * 65536,
        "@" * 65536,
        "a" * 65536,
        "1 " * 32768,
        "1-" * 32768,
        "1(" * 32768,
        "1)- " * 16384,
        "a@" * 32768,
        "a." * 32768,
        "a@a." * 16384,
        "-@-." * 16384,
        "138 " * 16384,
        "13812345678 " * 5461,
        "4111 1111 1111 1112 " * 3277,
        "路1" * 32768,
        "路1-" * 21845,
        "1号楼" * 21845,
        "小区1号" * 16384,
        "A1-1-1-1 " * 7281,
        "1." * 32768,
        "1.13812345678 " * 4681,
        "2.13812345678 " * 4681,
        "1101 0519 4912 3100 21 " * 2849,
        "a@公" * 21845,
        "a@公." * 16384,
        "a@" + "公" * 65536,
        "１" * 65536,
    ],
    ids=lambda text: repr(text[:12]),
)
def test_the_time_is_linear_in_the_length_of_hostile_text(hostile: str) -> None:
    def seconds(text: str) -> float:
        best = float("inf")
        for _ in range(3):
            start = time.thread_time()
            redact(text)
            best = min(best, time.thread_time() - start)
        return best

    quarter, whole = seconds(hostile[: len(hostile) // 4]), seconds(hostile)
    assert whole < 0.5
    assert whole < 8 * quarter + 0.005  # 16 times would be a square


def test_random_numbers_are_seldom_taken_for_personal_ones() -> None:
    chance = random.Random(5)
    numbers = ["".join(chance.choices("0123456789", k=chance.randint(1, 10))) for _ in range(10_000)]
    assert [number for number in numbers if redact(number) != number] == []
