"""Large test projects and simulated volunteers for bench.pages, bench.load and bench.memory."""
