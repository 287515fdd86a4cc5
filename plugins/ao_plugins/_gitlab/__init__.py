"""GitLab, as its merge requests and its issues both need it."""
