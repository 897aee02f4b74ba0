"""STKit-Bench: rows and responses in, scores out."""
