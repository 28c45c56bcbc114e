"""Shared support for tests and benchmarks: servers, processes and prepared projects."""
