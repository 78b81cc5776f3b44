"""The calls Predict, Classify, Regress and MultiInference."""
