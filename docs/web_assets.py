"""Copy the style sheet and the scripts of the web page from npm, in the versions named here: `make assets`.

npm checks what it downloads. Beside the copies, `assets.json` keeps where each came from and its SHA-256,
which tests/web/page/test_assets.py compares with the copy.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

FOLDER = Path(__file__).parents[1] / "wa/web/page/static/vendor"
# by package with its version: its licence, and the files (path in the package, name of the copy)
PACKAGES = {
    "htmx.org@4.0.1": (
        "0BSD",
        [("dist/htmx.min.js", "htmx.min.js"), ("LICENSE", "htmx.LICENSE.txt")],
    ),
    "@picocss/pico@2.1.1": (
        "MIT",
        [("css/pico.min.css", "pico.min.css"), ("LICENSE.md", "pico.LICENSE.txt")],
    ),
}


def files_of(package: str, paths: list[str]) -> dict[str, bytes]:
    """Return the contents of some files of a package, as npm has them."""
    with tempfile.TemporaryDirectory() as folder:
        command = ["npm", "pack", "--silent", "--pack-destination", folder, package]
        packed = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()[-1]  # noqa: S603
        with tarfile.open(Path(folder) / packed) as tar:
            found = {path: tar.extractfile(f"package/{path}") for path in paths}
            return {path: file.read() for path, file in found.items() if file}


def main() -> None:
    """Write the copies, and what is known of them."""
    FOLDER.mkdir(exist_ok=True)
    known = []
    for package, (licence, files) in PACKAGES.items():
        found = files_of(package, [path for path, _ in files])
        for path, name in files:
            (FOLDER / name).write_bytes(found[path])
            digest = hashlib.sha256(found[path]).hexdigest()
            known.append(
                {"name": name, "package": package, "path": path, "licence": licence, "sha256": digest}
            )
    (FOLDER / "assets.json").write_text(json.dumps(known, indent=2) + "\n", encoding="utf-8")
    sys.stdout.write(f"copied {len(known)} files to {FOLDER}\n")


if __name__ == "__main__":
    main()
