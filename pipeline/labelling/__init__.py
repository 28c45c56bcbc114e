"""Labelling: the model stage, which computes predictions and questions from encodings and labels."""
