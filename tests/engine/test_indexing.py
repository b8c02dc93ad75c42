"""The indexes of a whole system."""

from __future__ import annotations

import pytest

from polyscene.core.errors import MissingExtraError
from polyscene.core.settings.index import IndexSettings
from polyscene.engine.decision import Request
from polyscene.engine.indexing import check_indexes, index_by
from polyscene.engine.pipeline import decide
from polyscene.engine.state import System
from polyscene.representation.index_faiss import FaissIndex
