"""Fixtures of running gateways, which those of the gateway's tests are."""

from tests.deploy.gateway.conftest import _no_proxy, model, scripted, scripted_server, scripted_url, start

__all__ = ["_no_proxy", "model", "scripted", "scripted_server", "scripted_url", "start"]
