"""One exception for everything a user can do something about."""


class FinishError(Exception):
    """A failure with a cure.

    Raised for what the person at the keyboard can repair. The message names the file and says
    what to do; the command line prints it without a traceback.

    Parameters
    ----------
    message : str
        One or two sentences: what is wrong, and the cure.
    code : str, optional
        A short stable reason code (``no_video``, ``truncated`` ...), written into the report.
    """

    def __init__(self, message: str, code: str = "error") -> None:
        super().__init__(message)
        self.code = code

    def __reduce__(self) -> tuple[type["FinishError"], tuple[str, str]]:
        # Survives the trip from a worker process with its code.
        return type(self), (str(self), self.code)
