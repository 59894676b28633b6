"""Google Gemini generateContent: the dialect's codec, both sides."""
