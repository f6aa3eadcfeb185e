"""RIFE behind the protocol of the flow."""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from finishkit.models.rife import rife_between, verified_rife
from finishkit.stages.motion_flow import Gap


@dataclass(frozen=True, slots=True, kw_only=True)
class RifeInterpolator:
    """Pictures by the user's RIFE net; cuts and confidence are the flow's to tell.

    Attributes
    ----------
    sha256 : str
        Of the net's file.
    """

    sha256: str

    @classmethod
    def of(cls, sha256: str) -> Self:
        """Return the interpolator once the net is known to be there.

        Parameters
        ----------
        sha256 : str
            As the template pins it.

        Raises
        ------
        FinishError
            ``weights_missing`` or ``weights_changed``.
        """
        verified_rife(sha256)
        return cls(sha256=sha256)

    def between(
        self, gap: Gap, share: float, before: Gap | None, after: Gap | None
    ) -> NDArray[np.float32]:
        """Return the picture; the net sees two frames, not how things moved around them."""
        del before, after
        return rife_between(self.sha256, gap.start.picture, gap.end.picture, share)
