"""What will it look like: one frame before and after, fast enough for a slider.

The after picture comes out of the filters of the batch. What a still frame can show in the time a
slider gives is shown at once, at a small size; what needs a net, or a search over the shot, follows
from a thread (:meth:`Preview.refine`) and takes the place of the quick picture.
"""

from finishkit.preview.frame import (
    HEIGHT_PX,
    LIVE_SECTIONS,
    REFINED_SECTIONS,
    WIDTH_PX,
    Preview,
    Refined,
)
from finishkit.preview.newest import Job, Newest
from finishkit.preview.opening import open_preview

__all__ = [
    "HEIGHT_PX",
    "LIVE_SECTIONS",
    "REFINED_SECTIONS",
    "WIDTH_PX",
    "Job",
    "Newest",
    "Preview",
    "Refined",
    "open_preview",
]
