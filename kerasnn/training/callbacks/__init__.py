"""Callbacks: which hooks they override, history, progress."""
