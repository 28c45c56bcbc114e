"""A simulation of Commons, Wikidata, Meta's OAuth and the query service on one loopback port.

It answers as a real MediaWiki does, serves real photographs, and injects faults on request.
"""
