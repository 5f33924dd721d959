"""A loaded SavedModel: its graph, signatures and tensors, and which operations may run."""
