"""Text tables: encoding, separator, header line, and the rows in blocks."""
