"""The velocity gate in a closed loop, beside others and none: `make bench-gate`."""

import sys
from pathlib import Path

BENCHES = Path(__file__).resolve().parents[1]
# The demo's world and driver; what all live benches share.
for folder in (BENCHES / "live", BENCHES, BENCHES.parent / "demo"):
    if str(folder) not in sys.path:
        sys.path.append(str(folder))
