"""What goes wrong in bench.chaos and bench.publish_faults."""
