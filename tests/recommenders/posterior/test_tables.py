"""Tables of beliefs can be copied, and each copy changes apart."""

from __future__ import annotations

from copy import deepcopy

import numpy as np

from polyscene.recommenders.posterior.tables import Beliefs, GrowingBeliefs


def test_a_copy_of_beliefs_that_were_changed_goes_on_changing() -> None:
    beliefs = GrowingBeliefs(Beliefs.prior(np.zeros((3, 4), np.float32), 0.1, 0.1))
    beliefs.writable().bias[0] = 1.0
    copy = deepcopy(beliefs)
    copy.writable().bias[1] = 5.0
    assert copy.now.bias.tolist() == [1.0, 5.0, 0.0]
    assert beliefs.now.bias.tolist() == [1.0, 0.0, 0.0]
    assert copy.addresses[0] == copy.now.means.ctypes.data != beliefs.addresses[0]
