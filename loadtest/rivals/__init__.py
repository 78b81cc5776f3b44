"""The rivals, ways to serve a BERT from articles."""
