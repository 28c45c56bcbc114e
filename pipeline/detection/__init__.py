"""Detection: download pictures, search them for faces, and store boxes, encodings and chips."""
