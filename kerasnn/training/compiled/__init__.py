"""The compiled loop: one step, run for whole epochs in one call."""
