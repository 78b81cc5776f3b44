"""Provide the command ``bert-mlm``."""

from bert_mlm_client.cli.main import main

__all__ = ["main"]
