"""Which signals there are, as classes: those of Polyscene and those of plug-ins."""

from __future__ import annotations

from polyscene.core.registry import Registry
from polyscene.core.settings import signals
from polyscene.recommenders.signal import Signal

SIGNALS: Registry[type[Signal]] = signals.SIGNALS
"""Every signal by name, in the order in which tables list them; a module is loaded when it is asked for."""
