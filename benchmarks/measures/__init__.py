"""The measures, one a file: each asks peers and returns numbers."""
