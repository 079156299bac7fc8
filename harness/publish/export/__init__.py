"""Runs in the formats of other tools, and as JSON."""
