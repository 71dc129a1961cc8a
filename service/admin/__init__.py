"""The admin page: plain files in static/, and their serving."""
