"""Feeds: rows from memory, streams or disk, cut into chunks of steps."""
