"""Photographs, and the parts that bench.detection compares."""
