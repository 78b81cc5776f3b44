"""Environment variables of child processes."""

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CLIENT = ROOT / "client"

PROXIES = ("http_proxy", "https_proxy", "all_proxy", "grpc_proxy", "no_proxy")
SETTINGS = ("GATEWAY_", "SERVING_", "MODEL_", "BERT_MLM_")
"""Prefixes of the variables that this project reads."""


def environment(**variables: str) -> dict[str, str]:
    """Return variables for importing from the source tree, without proxies and settings."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if name.lower() not in PROXIES and not name.startswith(SETTINGS)
    }
    return {**kept, "PYTHONPATH": os.pathsep.join([str(CLIENT), str(ROOT)]), **variables}


def client_environment(**variables: str) -> dict[str, str]:
    """Return variables for importing the client alone."""
    return environment(**{"PYTHONPATH": str(CLIENT), **variables})


def remove_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the machine's proxies away from servers on it, for one test."""
    for name in PROXIES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
