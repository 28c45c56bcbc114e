"""Projects, each a person searched for in a source of files: crawling, bootstrap files, stated depicts, purging."""
