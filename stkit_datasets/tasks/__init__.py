"""The seven tasks, one file each."""
