"""From encodings and labels to predictions, questions and estimates."""
