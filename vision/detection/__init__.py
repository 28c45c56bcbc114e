"""From the bytes of a picture to faces and their encodings, with the child processes."""
