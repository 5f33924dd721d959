"""Blocks of rows on disk, and the shuffled order in which they are read."""
