"""What this host is and does: CPUs, memory, control groups, load, and where on it a cell runs."""
