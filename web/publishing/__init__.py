"""Views for plans, edits, batches, sending and reverts."""
