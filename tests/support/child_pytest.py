"""How the tests call a pytest of its own, where pytest is what they look at."""

from __future__ import annotations

import sys

# Without a folder for its cache, and without what takes longer to load than all the rest: the plugin of
# schemathesis, which is here for one test of the dashboard only.
PYTEST = (sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-p", "no:schemathesis")
