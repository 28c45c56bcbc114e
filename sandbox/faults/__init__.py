"""Fault injection: failures on request, and responses of a malicious wiki."""
