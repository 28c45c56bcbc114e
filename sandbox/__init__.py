"""A stand-in for Commons, Wikidata, Meta's OAuth and the query service on one loopback port.

It answers as a real MediaWiki does, serves real photographs, and makes faults on demand.
"""
