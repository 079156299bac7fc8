"""The trend of a cell over runs, and hosts beside each other."""
