"""A person looked for in a source of files: creation, members, settings, sources, crawling."""
