"""How well each model would answer a request: predicted from outcomes, with how sure that is. Pure."""
