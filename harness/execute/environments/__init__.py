"""The pinned environments of the backends: built, checked, listed and removed."""
