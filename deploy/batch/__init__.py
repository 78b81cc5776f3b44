"""Answer whole corpora on Ray (README.md)."""
