"""Parts that tests and benchmarks share: small models, stand-ins of hosts, browsers, servers."""

from pathlib import Path

__all__ = ["ROOT", "SUPPORT", "TESTS"]

SUPPORT = Path(__file__).parent
TESTS = SUPPORT.parent
ROOT = TESTS.parent
