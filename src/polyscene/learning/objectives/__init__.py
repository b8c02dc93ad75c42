"""What a language model is tuned for, one objective a file; entry points `polyscene.objectives` name them."""
