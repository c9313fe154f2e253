"""What a message means: normalising, language, danger, intent. `understand.Understander` is the one door; `components` hosts it in Rasa."""
