from pathlib import Path

from export import find_checkpoint
from export.savedmodel import ExportOptions, export_model
from loadtest.versions import compare
from tests.conftest import TINY


def test_versions_are_timed_side_by_side(tmp_path: Path) -> None:
    full = export_model(find_checkpoint(str(TINY)), tmp_path, 1)
    half = export_model(find_checkpoint(str(TINY)), tmp_path, 2, ExportOptions(precision="bf16"))
    rows = compare([full, half], sentences=2, tokens=9, rounds=3)
    assert [row["version"] for row in rows] == [str(full), str(half)]
    assert all(0 < row["p50_ms"] <= row["p95_ms"] for row in rows)
    assert all(row["load_s"] > 0 for row in rows)
