"""Many models of one kind, trained side by side in one compiled loop."""
