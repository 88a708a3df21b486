"""The schedule as monitoring sees it: metrics, health, spans.

- `health`: whether the schedule is kept, for supervisors
- `metrics`, `aggregate`: what Prometheus reads, and the sums behind it
- `spans`: each run as a span of OpenTelemetry
"""
