"""The state of the simulated wikis: pages, files, items, users, statements and tokens."""
