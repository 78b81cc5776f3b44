"""The side-by-side benchmark: two rivals and this project's server, asked the same sentences in turns."""
