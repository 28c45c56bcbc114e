"""What the stand-in knows: pages, files, items, users, statements and tokens."""
