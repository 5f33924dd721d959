"""Checkpoints of a run: when they are due, what they hold, how a run resumes."""
