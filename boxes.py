"""Bounding boxes, as pictures are searched with them, as they are stored and as they are drawn by hand."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Box:
    """A bounding box in fractions (0..1) of the upright picture's width and height."""

    left: float
    top: float
    width: float
    height: float

    @property
    def right(self) -> float:
        return self.left + self.width

    @property
    def bottom(self) -> float:
        return self.top + self.height

    def clipped(self) -> Box:
        """Return the part of the box inside the picture."""
        left, top = min(max(self.left, 0.0), 1.0), min(max(self.top, 0.0), 1.0)
        right, bottom = min(max(self.right, left), 1.0), min(max(self.bottom, top), 1.0)
        return Box(left, top, right - left, bottom - top)

    def overlap(self, other: Box) -> float:
        """Return the intersection over union, 0..1."""
        width = min(self.right, other.right) - max(self.left, other.left)
        height = min(self.bottom, other.bottom) - max(self.top, other.top)
        if width <= 0 or height <= 0:
            return 0.0
        shared = width * height
        return shared / (self.width * self.height + other.width * other.height - shared)
