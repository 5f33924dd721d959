"""HTTP below the paths: connections, bodies, and which pages in a browser may ask."""
