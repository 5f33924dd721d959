"""Members that learn side by side: their step, its optimizer, and the rows it takes."""
