"""Where events and decisions are kept: one contract, several stores."""
