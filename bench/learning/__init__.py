"""Labelled photographs, projects made of them, and volunteers who answer, for bench.recognition."""
