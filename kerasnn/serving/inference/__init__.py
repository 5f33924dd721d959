"""Calls of graphs for requests: queues, batches and threads."""
