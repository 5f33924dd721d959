"""Files, arrays and frames of any origin, read as DataFrames."""
