"""Levels, ratios and tails of timings, and whether something disturbed them."""
