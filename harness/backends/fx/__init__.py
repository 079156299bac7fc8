"""PyTorch FX graph mode."""
