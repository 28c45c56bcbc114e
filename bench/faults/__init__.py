"""The faults that bench.chaos and bench.publish_faults inject."""
