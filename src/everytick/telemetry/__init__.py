"""The schedule as monitoring sees it: metrics, health, spans."""
