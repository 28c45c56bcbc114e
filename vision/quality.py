"""Whether a face is good enough to learn from."""

from __future__ import annotations

import numpy as np

from vision.faces import Image

# Below this size in pixels of the best rendering the encoding says little: the network sees 150 px.
POOR_PX = 40
POOR_SHARPNESS = 0.002


def sharpness(chip: Image) -> float:
    """Variance of the Laplacian of an aligned face (h, w, 3), over the variance of its brightness.

    The variance of the Laplacian is the usual measure of focus (Pech-Pacheco et al. 2000); the division makes a dim or
    pale face comparable with a contrasty one. About 0.002 for a face enlarged from 20 px, 0.05 for a sharp one.
    """
    grey = chip.astype(np.float32).mean(axis=2)
    centre = grey[1:-1, 1:-1]
    laplacian = grey[:-2, 1:-1] + grey[2:, 1:-1] + grey[1:-1, :-2] + grey[1:-1, 2:] - 4 * centre
    return float(laplacian.var() / max(float(centre.var()), 1.0))


def is_poor(native_px: float, sharp: float) -> bool:
    """`native_px`: the face's size in pixels of the file, before any enlarging."""
    return native_px < POOR_PX or sharp < POOR_SHARPNESS
