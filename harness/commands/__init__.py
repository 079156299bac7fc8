"""One file for each command: ``harness NAME`` runs ``NAME.py``. Nothing imports this room but the command line."""
