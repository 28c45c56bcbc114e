"""Weights of face networks: data files and no code. NOTICE, in the metadata, says whose they are."""
