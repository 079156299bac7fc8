"""PyTorch eager mode."""
