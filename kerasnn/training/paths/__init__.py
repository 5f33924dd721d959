"""Paths in place of arrays: `fit`, `evaluate` and `predict` on tables in files."""
