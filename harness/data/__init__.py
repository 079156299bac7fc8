"""Rows as children read them (NumPy only), and the seeds by which a child repeats itself."""
