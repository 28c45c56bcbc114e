"""Large projects and many volunteers, for bench.pages and bench.load."""
