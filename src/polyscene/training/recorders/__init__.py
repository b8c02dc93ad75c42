"""Where a training's numbers go, one kind a file; known by name as entry points of `polyscene.recorders`."""
