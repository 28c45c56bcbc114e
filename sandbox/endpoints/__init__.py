"""Everything but the action API: pages, pictures, OAuth, the query service and PagePile."""
