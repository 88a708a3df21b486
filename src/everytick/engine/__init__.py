"""One process at work: from a claimed tick to the outcome of its run."""
