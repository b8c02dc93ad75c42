"""Imported first by every command: sets what numpy and torch read when they load, for the children too."""

from polyscene.core.threads import prepare_environment

prepare_environment()
