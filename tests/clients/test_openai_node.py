"""openai-node against a running gateway: installs the pinned package once, then runs `node/client.test.mjs`.

The package goes into a folder of the virtual environment that is named by its lock file, never into the checkout.
"""

import hashlib
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.clients.conftest import Gateway

HERE = Path(__file__).parent / "node"
INSTALLED = ("package.json", "package-lock.json", ".npmrc")
NO_NETWORK = re.compile(r"ENOTFOUND|ECONN\w+|ETIMEDOUT|EAI_AGAIN|ENETUNREACH|network", re.IGNORECASE)
OLDEST_NODE = 20


def installed() -> Path:
    """The folder with openai-node in it; installs it the first time."""
    for program in ("node", "npm"):
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not installed")
    version = subprocess.run(["node", "--version"], capture_output=True, text=True, check=True).stdout
    if int(version.removeprefix("v").partition(".")[0]) < OLDEST_NODE:
        pytest.skip(f"node {version.strip()} is older than {OLDEST_NODE}")
    lock = hashlib.sha256((HERE / "package-lock.json").read_bytes()).hexdigest()[:16]
    folder = Path(sys.prefix) / "node" / lock
    if (folder / "node_modules" / ".package-lock.json").is_file():
        return folder
    folder.mkdir(parents=True, exist_ok=True)
    for name in INSTALLED:
        shutil.copyfile(HERE / name, folder / name)
    command = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=100, check=False)
    if done.returncode and NO_NETWORK.search(done.stderr):
        pytest.skip("openai-node is not installed yet and the package registry cannot be reached")
    assert done.returncode == 0, done.stderr
    return folder


def test_openai_node_meets_what_it_expects(gateway: Gateway):
    folder = installed()
    # Beside node_modules, where node looks for packages.
    test = shutil.copyfile(HERE / "client.test.mjs", folder / "client.test.mjs")
    done = subprocess.run(
        ["node", "--test", "--test-reporter", "tap", str(test)],
        env={"PATH": os.environ["PATH"], "TIDEGATE_URL": gateway.url, "TIDEGATE_KEY": gateway.key},
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    passed = re.search(r"^# pass (\d+)$", done.stdout, re.MULTILINE)
    assert passed is not None
    assert int(passed[1]) >= 14
