"""Pages and JSON calls, a blueprint per subject. HTTP in, HTML or JSON out: no SQL, no numbers, no requests."""
