"""The columns of a run's table: one file for each group of columns or of remarks."""
