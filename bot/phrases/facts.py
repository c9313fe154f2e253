"""The settings' numbers and addresses under the names that phrases use as placeholders."""

from __future__ import annotations

from bot.settings import Settings


def fact_values(settings: Settings) -> dict[str, str]:
    """Placeholder name → value. Phrases never hold a number or an address themselves."""
    return {
        "emergency": settings.emergency_number,
        "line": settings.line_number,
        "email": settings.email,
        "site": settings.site,
        "crisis_line": settings.crisis_line,
        "nollalinja": settings.nollalinja,
        "riku": settings.riku,
        "work_safety": settings.work_safety,
        "name": settings.bot_name,
    }
