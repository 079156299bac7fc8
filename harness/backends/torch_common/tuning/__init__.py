"""What tuning has in common on the backends of torch."""
