"""Kinds of columns and the target: inferred, kept as JSON, checked."""
