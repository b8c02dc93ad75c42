"""`python -m polyscene`: the command line, where `polyscene` itself is not on the path."""

from polyscene.cli.main import run

if __name__ == "__main__":
    run()
