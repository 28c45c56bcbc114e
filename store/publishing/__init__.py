"""The publishing plan, edits and their batches, reverts, and positions."""
