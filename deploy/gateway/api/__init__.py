"""The JSON API: requests, responses, limits of one request, and its documentation."""
