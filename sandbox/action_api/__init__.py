"""A simulation of MediaWiki's action API: requests, modules, errors and the saving of statements."""
