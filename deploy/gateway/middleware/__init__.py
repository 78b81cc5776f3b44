"""What every request passes before it is answered: limits, API keys, errors in one form."""
