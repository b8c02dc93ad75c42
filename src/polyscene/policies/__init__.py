"""Who is shown what, with which probability: pure numpy, shared by serving, simulation and judging."""
