"""The table of one run: rows, terminal, files, picture, gates."""
