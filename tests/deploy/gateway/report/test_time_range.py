from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from deploy.gateway.report.errors import UsageError
from deploy.gateway.report.time_range import fitted_range, read_zone, time_range, zone_name

NOW = datetime(2026, 4, 5, 10, 23, 45, tzinfo=UTC)


@pytest.mark.parametrize(
    ("since", "expected"),
    [
        ("90m", NOW - timedelta(minutes=90)),
        ("24h", NOW - timedelta(hours=24)),
        ("7d", NOW - timedelta(days=7)),
        ("2w", NOW - timedelta(weeks=2)),
        ("2026-04-05T10:00:00+08:00", datetime(2026, 4, 5, 2, tzinfo=UTC)),
        ("2026-04-05T10:00Z", datetime(2026, 4, 5, 10, tzinfo=UTC)),
        ("2026-04-05T10:00", datetime(2026, 4, 5, 2, tzinfo=UTC)),
        ("2026-04-05", datetime(2026, 4, 4, 16, tzinfo=UTC)),
    ],
)
def test_a_time_is_an_age_or_iso_8601_in_the_zone_shown(since: str, expected: datetime) -> None:
    chosen = time_range(since, None, "Asia/Shanghai", NOW)
    assert (chosen.since, chosen.until) == (expected, NOW)
    assert f"{chosen.since:%z}" == "+0800"


@pytest.mark.parametrize(
    "since", ["", "yesterday", "24", "h", "24 parsecs", "-1h", "9999999w", "2026-13-01", "24h; DROP TABLE line"]
)
def test_another_text_is_refused_with_examples(since: str) -> None:
    with pytest.raises(UsageError, match="24h, 7d"):
        time_range(since, now=NOW)


def test_a_range_that_ends_before_it_begins_is_refused() -> None:
    with pytest.raises(UsageError, match=r"since .* must lie before until"):
        time_range("1h", "2h", now=NOW)


def test_a_range_of_years_is_refused() -> None:
    with pytest.raises(UsageError, match="at most 400"):
        time_range("401d", now=NOW)


@pytest.mark.parametrize("zone", ["Mars/Olympus", "../../etc/passwd", "/etc/passwd", "", "Asia"])
def test_a_zone_that_is_none_is_refused(zone: str) -> None:
    with pytest.raises(UsageError, match="Asia/Shanghai"):
        read_zone(zone)


def test_without_a_name_the_zone_is_this_machines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", ":Europe/Berlin")
    assert read_zone(None) == ZoneInfo("Europe/Berlin")
    monkeypatch.delenv("TZ")
    assert NOW.astimezone(read_zone(None)).utcoffset() is not None


def test_a_zone_without_a_name_is_called_by_its_offset() -> None:
    at = datetime.fromisoformat("2026-04-05T10:00:00+05:30")
    assert at.tzinfo is not None
    assert zone_name(at.tzinfo, at) == "UTC+05:30"


@pytest.mark.parametrize(
    ("since", "minutes"),
    [("10m", 1), ("2h", 1), ("3h", 2), ("24h", 15), ("7d", 120), ("30d", 360), ("90d", 1440), ("365d", 10080)],
)
def test_buckets_are_the_shortest_usual_step_of_which_120_are_enough(since: str, minutes: int) -> None:
    chosen = time_range(since, zone="Asia/Shanghai", now=NOW)
    starts = chosen.bucket_starts()
    assert chosen.bucket == timedelta(minutes=minutes)
    assert len(starts) <= 122
    assert starts[0] <= chosen.since < starts[1] or len(starts) == 1
    assert starts[-1] < chosen.until <= starts[-1] + chosen.bucket


def test_buckets_begin_on_whole_steps_since_midnight_of_the_zone() -> None:
    starts = time_range("24h", zone="Asia/Kathmandu", now=NOW).bucket_starts()  # UTC+05:45
    assert all(start.minute % 15 == 0 and start.second == 0 for start in starts)


def test_days_begin_at_midnight_where_clocks_change() -> None:
    days = time_range("2026-03-28", "2026-03-31", "Europe/Berlin", NOW).day_starts()
    assert [f"{day:%d %H:%M %z}" for day in days] == ["28 00:00 +0100", "29 00:00 +0100", "30 00:00 +0200"]


@pytest.mark.parametrize(
    ("first", "last", "since", "until"),
    [
        (timedelta(hours=2), timedelta(0), timedelta(hours=2), timedelta(0)),
        (timedelta(minutes=1), timedelta(0), timedelta(minutes=15), timedelta(0)),
        (timedelta(days=90), timedelta(minutes=1), timedelta(hours=24), timedelta(0)),
        (timedelta(days=90), timedelta(days=30), timedelta(days=31), timedelta(days=30)),
        (timedelta(days=30, hours=1), timedelta(days=30), timedelta(days=30, hours=1), timedelta(days=30)),
    ],
    ids=["young", "very young", "old", "long past", "short and long past"],
)
def test_a_range_fits_the_log(first: timedelta, last: timedelta, since: timedelta, until: timedelta) -> None:
    chosen = fitted_range((NOW - first, NOW - last), ZoneInfo("Asia/Shanghai"), NOW)
    assert timedelta(0) <= chosen.until - (NOW - until) <= timedelta(minutes=1)
    assert abs(chosen.since - (NOW - since)) <= timedelta(minutes=1)
    assert chosen.since <= NOW - last < chosen.until or not last  # the last line is in the half-open range
    assert f"{chosen.since:%z}" == "+0800"


def test_a_range_without_lines_is_the_last_day() -> None:
    chosen = fitted_range(None, UTC, NOW)
    assert (chosen.since, chosen.until) == ((NOW - timedelta(days=1)).replace(second=0), NOW)
