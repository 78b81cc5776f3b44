from pathlib import Path

from loadtest.versions import compare
from tests.support.exported import Export


def test_versions_are_timed_side_by_side(tiny_version: Path, tiny_version_in: Export) -> None:
    full, half = tiny_version, tiny_version_in("bf16")
    rows = compare([full, half], sentences=2, tokens=9, rounds=3)
    assert [row["version"] for row in rows] == [str(full), str(half)]
    assert all(0 < row["p50_ms"] <= row["p95_ms"] for row in rows)
    assert all(row["load_s"] > 0 for row in rows)
