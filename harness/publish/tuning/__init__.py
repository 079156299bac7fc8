"""The trials of a tuning as a table and a picture."""
