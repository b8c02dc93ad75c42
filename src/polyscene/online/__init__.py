"""What a system learns of itself while it runs: drift, and whether a night's run is better."""
