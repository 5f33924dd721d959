"""The operating system: processes, signals, locks, folders that are whole or absent."""
