"""Which models are served: their folders and versions, loaded, swapped and unloaded."""
