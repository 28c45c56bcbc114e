"""Volunteers, sign-in, tokens, privacy, and who is let in."""
