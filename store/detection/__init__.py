"""Files, renderings, faces and chips: fetched, searched, kept, dropped."""
