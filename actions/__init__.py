"""Rasa actions, one file a skill. Pure: the tracker goes in, events and replies come out; effects are slots."""
