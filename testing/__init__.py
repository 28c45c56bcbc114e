"""What the tests and the benchmarks share: servers, processes and projects made for the purpose."""
