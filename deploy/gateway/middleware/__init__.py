"""The middleware: context, API keys and limits."""
