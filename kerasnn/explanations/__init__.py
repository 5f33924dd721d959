"""Reasons: how much each column of a row moves its answer away from the mean answer."""

from kerasnn.explanations.background import Background, choose_background
from kerasnn.explanations.explainer import Explainer
from kerasnn.explanations.frames import contribution_frame, error_frame
from kerasnn.explanations.scale import explained_scale

__all__ = [
    "Background",
    "Explainer",
    "choose_background",
    "contribution_frame",
    "error_frame",
    "explained_scale",
]
