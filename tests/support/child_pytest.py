"""How the tests call a pytest of its own, where pytest is what they look at."""

from __future__ import annotations

import sys

import warm_python

# Plugins that are here for these tests and not for those: to load them takes longer than all the rest.
_NOT_NEEDED = ("schemathesis", "hypothesispytest", "time_machine", "pytest_cov")
# Nor with a folder for its cache.
_WITHOUT = tuple(word for name in ("cacheprovider", *_NOT_NEEDED) for word in ("-p", f"no:{name}"))
PYTEST = (sys.executable, "-m", "pytest", *_WITHOUT)
# The same, where what the engine imports of others is loaded already.
LOADED_PYTEST = (str(warm_python.program()), *PYTEST[1:])
