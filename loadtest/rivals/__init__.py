"""The two rivals, ways to serve a BERT from articles."""
