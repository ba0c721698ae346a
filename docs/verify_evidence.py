"""Check an archive of `tidegate audit evidence`: python verify_evidence.py ARCHIVE PUBLIC_KEY.pem

Needs Python and the package `cryptography`, and nothing of Tidegate. PUBLIC_KEY is `signing.pub` of the audit log, from
where you keep it and not from the archive. Prints what the archive says of itself, or what is wrong with it.
"""

import hashlib
import json
import sys
import tarfile
from pathlib import Path

from cryptography.hazmat.primitives.serialization import load_pem_public_key

with tarfile.open(sys.argv[1]) as archive:
    files = {entry.name: archive.extractfile(entry).read() for entry in archive.getmembers()}
key = load_pem_public_key(Path(sys.argv[2]).read_bytes())
manifest, signature = files.pop("manifest.json"), bytes.fromhex(files.pop("manifest.sig").decode())
key.verify(signature, b"tidegate/v1 evidence\n" + manifest)  # raises InvalidSignature
told = json.loads(manifest)
if told["files"] != {name: hashlib.sha256(data).hexdigest() for name, data in files.items()}:
    sys.exit("The files are not those that were signed.")
previous = "0" * 64
for line in files["audit/checkpoints.jsonl"].splitlines(keepends=True):
    body, _, end = line.rpartition(b',"signature":"')
    key.verify(bytes.fromhex(end[:-3].decode()), b"tidegate audit checkpoint 1\n" + body)
    if json.loads(line)["checkpoint"]["previous"] != previous:
        sys.exit("The checkpoints do not follow one another.")
    previous = hashlib.sha256(line).hexdigest()
sys.stdout.write(f"Good: {told['month']}, {len(files)} files, the last checkpoint is {previous}.\n")
sys.stdout.write(files["summary.json"].decode())
