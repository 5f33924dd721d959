"""Statistics of a table that is read once: samples, counts, ranges."""
