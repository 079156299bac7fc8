"""Accuracy and other metrics on the same rows, with their intervals."""
