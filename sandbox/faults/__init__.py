"""Faults on demand, and hostile answers."""
