"""What `polyscene.toml` may say: one file per block, and the whole in `project`."""
