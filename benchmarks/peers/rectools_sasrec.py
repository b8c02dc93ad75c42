"""RecTools' SASRec (Kang and McAuley, ICDM 2018), as `rectools_transformer.py` runs it.

python benchmarks/peers/rectools_sasrec.py --fold FOLDER --json sasrec.json
"""

from __future__ import annotations

from rectools.models import SASRecModel  # type: ignore[import-not-found, import-untyped, unused-ignore]
from rectools_transformer import run

if __name__ == "__main__":
    run("RecTools SASRec", SASRecModel)
