"""Many processes on one database: `make bench-cluster`."""
