"""`make audit`: known vulnerabilities in what `.venv` holds, the application's libraries included.

pip-audit alone is not enough: a package that the advisory service does not know counts as fine for
it, so that a service which knows nothing at all would look like a clean bill of health.
"""

from __future__ import annotations

import json
import subprocess
import sys


def main() -> int:
    """Exit with 0 only if the service knew the packages and has nothing against them."""
    done = subprocess.run(
        [
            sys.executable, "-m", "pip_audit", "--local", "--skip-editable",
            "--format", "json", "--progress-spinner", "off",
        ],
        capture_output=True,
        encoding="utf-8",
        check=False,
    )  # fmt: skip
    try:
        packages = json.loads(done.stdout)["dependencies"]
    except (json.JSONDecodeError, KeyError):
        last = (done.stderr.strip().splitlines() or ["no output"])[-1]
        print(
            f"The advisory service could not be reached, nothing was checked: {last}",
            file=sys.stderr,
        )
        return 1
    unknown = [package["name"] for package in packages if "skip_reason" in package]
    if len(unknown) == len(packages):
        print(
            f"The advisory service gave no answer for any of {len(packages)} packages "
            "(is the package index a mirror without advisories?): nothing was checked.",
            file=sys.stderr,
        )
        return 1
    if unknown:
        print(f"Not known to the advisory service: {', '.join(unknown)}")
    found = [(p, v) for p in packages for v in p.get("vulns", [])]
    for package, vulnerability in found:
        fixed = ", ".join(vulnerability["fix_versions"]) or "no release yet"
        print(f"{package['name']} {package['version']}: {vulnerability['id']}, fixed in {fixed}")
    print(f"{len(found)} known vulnerabilities in {len(packages) - len(unknown)} packages.")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
