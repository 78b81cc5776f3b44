"""The table of rendered objects."""

from loadtest.kubernetes.objects import names
from loadtest.kubernetes.variants import table, title_of, variants

DOCUMENT = """apiVersion: v1
kind: ConfigMap
data:
  name: another
metadata:
  labels:
    app.kubernetes.io/name: gateway
  name: gateway-settings
"""
JOB = """apiVersion: batch/v1
kind: Job
metadata:
  name: export-1
spec:
  template:
    metadata:
      name: another
"""


def test_an_object_has_its_own_name() -> None:
    assert names([DOCUMENT, JOB]) == ["ConfigMap gateway-settings", "Job export-1"]


def test_a_table_says_which_variant_has_an_object() -> None:
    assert table({"light": ["Job a", "Job b"], "gpu": ["Job b"]}).splitlines() == [
        "object  light  gpu",
        "Job a     x     -",
        "Job b     x     x",
    ]


def test_every_overlay_is_a_variant_and_batch_and_kserve_are() -> None:
    titles = [title_of(variant) for variant in variants()]
    assert {"light", "production", "batch", "kserve", "light+models-image"} <= {*titles}
    assert titles[-1] == "tensorflow-serving"  # what the rollout and the drain need
