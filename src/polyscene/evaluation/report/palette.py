"""The report's colours by role, in light and in dark; the page and its figures share them."""

from __future__ import annotations

LIGHT = {
    "page": "#f5f4f0",
    "panel": "#fefefd",
    "ink": "#1d2530",
    "muted": "#616b7a",
    "line": "#dcdfe4",
    "accent": "#0a6f75",
    "accent-soft": "#d9ecec",
    "other": "#b4bcc8",
    "other-deep": "#7d8797",
    "good": "#1a7f4b",
    "bad": "#b3402f",
}
DARK = {
    "page": "#0f1318",
    "panel": "#171c23",
    "ink": "#e7eaef",
    "muted": "#9aa5b4",
    "line": "#2b333e",
    "accent": "#45c2bd",
    "accent-soft": "#12383b",
    "other": "#465160",
    "other-deep": "#8591a2",
    "good": "#54c98a",
    "bad": "#ee8673",
}
CATEGORIES = ("#2878b5", "#dd6b20", "#2f9e6e", "#c2639c", "#c79a13", "#6f62b8", "#4fb0d4", "#8d6e52")
"""Distinct to most colour-blind readers and visible on both backgrounds; eight at most."""


def variables(theme: dict[str, str]) -> str:
    """Return the theme as CSS custom properties."""
    return " ".join(f"--{role}: {colour};" for role, colour in theme.items())


def themed(style: str) -> str:
    """Replace the light colours in an SVG style by their roles, so that they follow the theme."""
    for role, colour in LIGHT.items():
        style = style.replace(colour, f"var(--{role})")
    return style
