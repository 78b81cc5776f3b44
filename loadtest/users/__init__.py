"""Locust's users: who asks, over which protocol, when, and what counts as an answer."""
