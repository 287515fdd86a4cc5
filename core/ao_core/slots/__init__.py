"""The seven slots: what a plugin must do."""
