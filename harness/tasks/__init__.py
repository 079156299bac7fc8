"""Labelled data as columns, checked; and the metric of predictions."""
