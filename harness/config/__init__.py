"""The lowest room: the schema of configs, a cell, and what instruction sets mean to one. Types, no work."""
