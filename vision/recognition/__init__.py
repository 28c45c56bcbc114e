"""Recognition: predictions, questions and estimates from encodings and labels."""
