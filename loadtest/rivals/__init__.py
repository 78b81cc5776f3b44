"""What is compared with: the two ways in which articles serve a BERT, as their authors would run them."""
