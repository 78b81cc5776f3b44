"""Apply context, API keys and limits to every request."""
