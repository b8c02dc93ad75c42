"""RecTools' HSTU (Zhai et al., ICML 2024), as `rectools_transformer.py` runs it: by order, without times.

python benchmarks/peers/rectools_hstu.py --fold FOLDER --json hstu.json
"""

from __future__ import annotations

from functools import partial

from rectools.models import HSTUModel  # type: ignore[import-not-found, import-untyped, unused-ignore]
from rectools_transformer import run

if __name__ == "__main__":
    run("RecTools HSTU", partial(HSTUModel, relative_time_attention=False))
