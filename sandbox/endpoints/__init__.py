"""Endpoints other than the action API: pages, media files, OAuth, the query service and PagePile."""
