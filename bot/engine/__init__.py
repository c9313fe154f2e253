"""The engine: takes conversations, holds Rasa as a library, and commits each turn."""
