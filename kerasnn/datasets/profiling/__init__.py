"""Statistics of a table: samples, counts, ranges; warnings of what makes a score untrue."""
