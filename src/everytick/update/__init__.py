"""Bringing an application up to the newest version of the template that it was made from.

- `versions`: whether there is a newer version
- `take`: merge it, install, and let a new process do the rest, with the engine that came with it
- `finish`: what that process does: upgrade the ledger, check, test, and say what changed
- `apart`, `never_taken`: the merge itself, beside the project, and which paths it may not write
- `conflicts`: what a merge left for a person to decide
- `edits`: what the user had changed in files that went
- `source`: the template is somewhere else now
- `copier`, `plain_git`, `project`, `steps`, `news`, `problem`: what these need

Only the standard library is used, and of the engine only what does not run: an update must work while the
application's own files are those of one version and the engine is that of another.
"""
