"""`python -m fm_anomaly.cli`, for where the console script is not on the path."""

import sys

from fm_anomaly.cli import main

if __name__ == "__main__":
    sys.exit(main())
