"""``python -m finishkit``."""

from finishkit.cli import main

if __name__ == "__main__":
    main()
