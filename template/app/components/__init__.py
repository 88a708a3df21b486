"""The parts that the application is put together from."""
