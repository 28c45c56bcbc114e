"""The queue, workers, signals, metrics, health and status."""
