"""One run: its order, its sessions, its records, and what it does beyond its schedule."""
