"""The commands of `python -m app`, by what they do."""
