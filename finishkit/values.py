"""Base of every value that is read from or written to a file."""

from typing import Any, Self

from pydantic import BaseModel, ConfigDict


class Value(BaseModel):
    """Frozen, nothing unknown, every field checked, also when nested or replaced."""

    model_config = ConfigDict(frozen=True, extra="forbid", revalidate_instances="always")

    def replace(self, **changes: Any) -> Self:
        """Return a validated copy with some fields changed.

        Parameters
        ----------
        **changes : object
            Field names and their new values. ``model_copy(update=)`` would not validate them.

        Returns
        -------
        value : Self
        """
        return type(self).model_validate({**dict(self), **changes})
