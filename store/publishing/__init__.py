"""Plans, edits, batches, sending and reverts."""
