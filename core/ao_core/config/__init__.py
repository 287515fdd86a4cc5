"""Settings: models, finding, layering, trust."""
