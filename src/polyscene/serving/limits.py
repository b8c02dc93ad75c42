"""How much one request may ask for, so that no request can take the service from the others.

What `[service]` of a configuration can change stands in `core.settings.service`.
"""

from __future__ import annotations

from typing import Final

MAX_EVENTS_PER_BATCH: Final = 1_000
MAX_SLATE: Final = 100
MAX_EXCLUDED: Final = 1_000
MAX_HISTORY: Final = 200
MAX_ID_LENGTH: Final = 256
MAX_NAME_LENGTH: Final = 64
"""Of an action or a scenario."""
MAX_SECONDS_AHEAD: Final = 300
"""An event may be dated so far in the future: clocks differ."""
MAX_FIELDS: Final = 200
"""Of an item or a user."""
MAX_FIELD_LENGTH: Final = 100_000
MAX_VALUES_PER_FIELD: Final = 4_096
MAX_PAGE: Final = 1_000
"""Items, users or jobs in one answer."""
