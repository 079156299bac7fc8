"""Searches that are not ours (Neural Compressor, NNCF), within our limits and our records."""
