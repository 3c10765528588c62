"""`python -m superlens` is `superlens`."""

import sys

from superlens.cli import main

if __name__ == "__main__":
    sys.exit(main())
