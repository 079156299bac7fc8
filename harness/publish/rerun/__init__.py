"""What a rerun found."""
