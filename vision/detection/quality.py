"""Quality of a face: whether it is good enough for training."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from boxes import Box
from vision.detection.align import Aligned
from vision.detection.decode import Picture
from vision.detection.faces import Image

# Measured by shrinking sharp faces: with the detail of 100 px left the encoding moves by 0.02, 60 px 0.10, 40 px 0.21,
# 30 px 0.31, 20 px 0.45, where two people differ by 0.6 and more. Sharpness has a median of 0.11, 0.029, 0.011, 0.0055
# and 0.0026 at 150, 60, 40, 30 and 20 px, and 95 in 100 faces of 40 px have more than 0.005.
POOR_PX = 40
POOR_SHARPNESS = 0.004


def sharpness(chip: Image) -> float:
    """Variance of the Laplacian of an aligned face (h, w, 3), over the variance of its brightness.

    The variance of the Laplacian is the usual measure of focus (Pech-Pacheco et al. 2000); the division makes a dim or
    pale face comparable with a contrasty one.
    """
    grey = chip[:, :, 1].astype(np.float32)  # green is nearest to brightness
    centre = grey[1:-1, 1:-1]
    laplacian = grey[:-2, 1:-1] + grey[2:, 1:-1] + grey[1:-1, :-2] + grey[1:-1, 2:] - 4 * centre
    return float(laplacian.var() / max(float(centre.var()), 1.0))


@dataclass(frozen=True, slots=True)
class Quality:
    """`size_px`: the longer side of the box in the picture searched; `native_px`: in the file, before any enlarging."""

    size_px: float
    native_px: float
    sharpness: float

    @classmethod
    def of(cls, picture: Picture, box: Box, aligned: Aligned) -> Quality:
        """Measure a face of a picture."""
        size = max(box.width * picture.width, box.height * picture.height)
        native = size * picture.native_side / max(picture.width, picture.height)
        return cls(size, native, sharpness(aligned.chip))

    @property
    def poor(self) -> bool:
        """Whether the face is too small or blurred: it is asked about last and not used for training."""
        return self.native_px < POOR_PX or self.sharpness < POOR_SHARPNESS
