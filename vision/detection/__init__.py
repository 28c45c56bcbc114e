"""Detection: faces and their encodings from the bytes of a picture, in child processes."""
