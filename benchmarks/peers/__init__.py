"""The programs that are measured: each a small file that runs in an environment of its own."""
