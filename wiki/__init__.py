"""Wikimedia clients: read Commons and Wikidata, sign in, and write statements. Imports nothing else of this program."""
