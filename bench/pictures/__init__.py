"""The photographs, the compared parts and the scores of bench.detection."""
