"""Test the loss and the recovery of a GPU with a fake NVML."""

import shutil
import subprocess
from pathlib import Path

import pytest

from deploy.gateway.report.words import ENGLISH
from tests.deploy.gateway.conftest import SENTENCE, wait_until
from tests.deploy.gateway.faults.conftest import Observe

STUB = Path(__file__).parents[1] / "log" / "nvml.c"
MEMORY, UTILIZATION = "gateway_gpu_memory_bytes", "gateway_gpu_utilization_percent"


@pytest.mark.skipif(not shutil.which("cc"), reason="the stand-in for NVIDIA's library needs a C compiler")
def test_a_gpu_that_is_lost_appears_everywhere_until_it_is_found_again(
    observe_process: Observe, serving_url: str, tmp_path: Path
) -> None:
    subprocess.run(["cc", "-shared", "-fPIC", "-o", str(tmp_path / "libnvidia-ml.so.1"), str(STUB)], check=True)
    lost = tmp_path / "lost"
    observed = observe_process(
        serving_url, "--resource-interval-s=0.2", LD_LIBRARY_PATH=str(tmp_path), GPU_LOST=str(lost)
    )
    gateway = observed.gateway
    [line] = gateway.wait_for_lines(1, module="device")
    assert (line["level"], line["status"], line["device"]) == ("INFO", "active", "Test GPU")
    assert observed.metric(MEMORY) == 2 * 2**30
    gateway.answer("/predict", {"text": SENTENCE})
    [line] = gateway.wait_for_lines(1, module="inference")
    assert line["gpu_memory_mb"] == 2048
    wait_until(lambda: observed.log(module="resource", process="server", gpu_memory_mb=2048))

    lost.touch()
    observed.wait_for_alert("gpu_lost", "firing")
    line = observed.log(module="device")[-1]
    assert (line["level"], line["status"], line["error"]) == ("WARNING", "cpu_fallback", "GPU is lost")
    assert (observed.metric(MEMORY), observed.metric(UTILIZATION)) == (None, None)
    wait_until(lambda: "gpu_memory_mb" not in observed.log(module="resource", process="server")[-1])
    gateway.answer("/predict", {"text": SENTENCE})
    wait_until(lambda: observed.log(module="inference")[-1]["gpu_memory_mb"] == 0)  # answers go on
    status, health = observed.health()
    assert (status, health["resources"]["gpu"]) == (200, None)
    [event] = [row for row in observed.dashboard(ENGLISH.events) if row[ENGLISH.status] == ENGLISH.cpu_fallback]
    assert (event[ENGLISH.event], event[ENGLISH.detail]) == (ENGLISH.device, "cpu, GPU is lost")

    lost.unlink()
    observed.wait_for_alert("gpu_lost", "resolved")
    assert [line["status"] for line in observed.log(module="device")] == ["active", "cpu_fallback", "active"]
    assert (observed.metric(MEMORY), observed.metric(UTILIZATION)) == (2 * 2**30, 37)
    assert observed.health()[1]["resources"]["gpu"]["name"] == "Test GPU"
    active = [row for row in observed.dashboard(ENGLISH.events) if row[ENGLISH.status] == ENGLISH.active]
    assert [row[ENGLISH.detail] for row in active] == ["Test GPU", "Test GPU"]
