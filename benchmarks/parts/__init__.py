"""Parts of the benchmarks, and what they share; the folders are named after the commands beside this one."""

import sys
from pathlib import Path

BENCHMARKS = Path(__file__).parents[1]
ROOT = BENCHMARKS.parent
REPORTS = BENCHMARKS / "reports"

# support: hosts, browsers and released packages, which the tests set up in the same way.
sys.path.append(str(ROOT / "tests"))
