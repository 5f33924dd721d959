"""Members that learn side by side: their step, its optimizer, and whose rows it takes."""
