"""The cells of one column: distinct values, texts, numbers, dates."""
