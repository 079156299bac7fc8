"""What parent and child say to each other: JSON lines over a pipe."""
