"""Benchmark-and-reproducibility harness for low-precision inference on Xeon."""

__version__ = "0.1.0"
