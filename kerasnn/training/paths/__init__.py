"""Paths in place of arrays: `fit`, `evaluate` and `predict` of files with tables."""
