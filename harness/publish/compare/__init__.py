"""A comparison of two runs: its rows, its words, its table and its picture."""
