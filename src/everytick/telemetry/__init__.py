"""For monitoring: metrics, health, spans.

- `health`: whether the schedule is kept, for supervisors
- `metrics`, `aggregate`: the metrics for Prometheus, and the sums behind them
- `spans`: each run as a span of OpenTelemetry
"""
