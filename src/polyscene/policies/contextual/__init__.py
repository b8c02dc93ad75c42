"""Policies that learn by themselves: from features of the candidates to rewards, while they choose."""
