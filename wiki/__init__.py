"""Wikimedia over HTTP: reading Commons and Wikidata, signing in, and writing statements. Imports nothing of ours."""
