"""What every stream of events is made of. No API is named in here."""
