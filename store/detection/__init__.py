"""Files, faces, chips, captions, depicted items, and detection leases."""
